package convexsim

import (
	"encoding/json"
	"net/http"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
)

// handleTestFunction serves POST /api/run_test_function, the custom query of the
// dashboard and of the command line (crates/local_backend/src/dashboard.rs, the same at
// 5f66740a and 94a42c3d). The admin key is in the body and nowhere else; the Authorization
// header is not looked at. What is sent is not run.
func (s *Server) handleTestFunction(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		AdminKey *string `json:"adminKey"`
		Bundle   *struct {
			Path   *string `json:"path"`
			Source *string `json:"source"`
		} `json:"bundle"`
		Args   json.RawMessage `json:"args"`
		Format *string         `json:"format"`
	}
	body, err := protocol.OpenPush(r, s.options.MaxPushBytes) // it is one of the push routes
	if err != nil {
		return err
	}
	if err := protocol.DecodeJSON(r.Context(), body, &request); err != nil {
		return err
	}
	switch {
	case request.AdminKey == nil:
		return protocol.MissingField("adminKey")
	case request.Bundle == nil:
		return protocol.MissingField("bundle")
	case request.Bundle.Path == nil:
		return protocol.MissingField("path")
	case request.Bundle.Source == nil:
		return protocol.MissingField("source")
	case request.Args == nil:
		return protocol.MissingField("args")
	case request.Format == nil:
		return protocol.MissingField("format")
	}
	if _, err := s.broker.OfBody(*request.AdminKey); err != nil {
		return err
	}
	writeOutcome(w, runner.Answer{}, functionError(notRun))
	return nil
}

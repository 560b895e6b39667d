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
// header is not looked at.
func (s *Server) handleTestFunction(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		AdminKey *string `json:"adminKey"`
		Bundle   *struct {
			Path   *string `json:"path"`
			Source *string `json:"source"`
		} `json:"bundle"`
		Args   json.RawMessage `json:"args"`
		Format *string         `json:"format"`

		ComponentID *string `json:"componentId"`
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
	switch {
	case s.functions == nil:
		writeOutcome(w, runner.Answer{}, functionError(notRun))
		return nil
	case request.ComponentID != nil && s.store.View().ComponentByID(*request.ComponentID) != "":
		writeOutcome(w, runner.Answer{}, functionError("convex-sim runs custom queries in the app only, and not in its components"))
		return nil
	}
	arguments := functionRequest{Args: request.Args}.argument()
	answer, err := s.functions.RunSource(r.Context(), *request.Bundle.Source, *request.Format, arguments)
	if err != nil {
		err = notDone(err)
	}
	writeOutcome(w, answer, err)
	return nil
}

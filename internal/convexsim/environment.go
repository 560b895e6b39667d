package convexsim

import (
	"net/http"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// handleEnvUpdate serves POST /api/update_environment_variables: all changes or none.
func (s *Server) handleEnvUpdate(w http.ResponseWriter, r *http.Request) error {
	who, err := s.broker.OfRequest(r)
	if err != nil {
		return err
	}
	var request struct {
		Changes []state.EnvChange `json:"changes"`
	}
	if err := protocol.ReadJSON(r, protocol.DefaultBodyLimit, &request); err != nil {
		return err
	}
	if request.Changes == nil {
		return protocol.MissingField("changes")
	}
	if err := who.MustWrite(); err != nil {
		return err
	}
	for _, change := range request.Changes {
		if err := change.Check(); err != nil {
			return err
		}
	}
	err = s.store.Update(func(next *state.State) error { return next.ChangeEnvironment(request.Changes, s.options.EnvLimit) })
	if err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

// handleEnvList serves GET /api/list_environment_variables.
func (s *Server) handleEnvList(w http.ResponseWriter, r *http.Request) error {
	who, err := s.broker.OfRequest(r)
	if err != nil {
		return err
	}
	if err := who.MustRead(); err != nil {
		return err
	}
	environment := s.store.View().Environment
	if environment == nil {
		environment = map[string]string{}
	}
	protocol.WriteJSON(w, http.StatusOK, struct {
		EnvironmentVariables map[string]string `json:"environmentVariables"`
	}{environment})
	return nil
}

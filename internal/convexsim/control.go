package convexsim

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// controlPrefix is where the simulator itself is talked to, on the API port. The
// backend has no route there. Nothing protects it: the simulator is for
// machines of one user.
const controlPrefix = "/_sim/"

// serveControl answers the control routes. They are not in the request log and
// not limited.
//
//	GET    /_sim/faults      the faults in force
//	POST   /_sim/faults      adds one, a JSON object with the keys of --fault
//	DELETE /_sim/faults[/id] removes one or all
//	GET    /_sim/state       what is stored, with the variables in clear text
//	GET    /_sim/requests    the latest requests
//	DELETE /_sim/requests    forgets them
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	rt, r, allowed := find([]route{
		{http.MethodGet, controlPrefix + "faults", "", s.controlFaults},
		{http.MethodPost, controlPrefix + "faults", "", s.controlAdd},
		{http.MethodDelete, controlPrefix + "faults", "", s.controlRemove},
		{http.MethodDelete, controlPrefix + "faults/{id}", "", s.controlRemove},
		{http.MethodGet, controlPrefix + "state", "", s.controlState},
		{http.MethodGet, controlPrefix + "requests", "", s.controlRequests},
		{http.MethodDelete, controlPrefix + "requests", "", s.controlForget},
	}, r)
	if rt.handle == nil {
		writeNoRoute(w, allowed)
		return
	}
	if err := rt.handle(w, r); err != nil {
		protocol.WriteFailure(w, err)
	}
}

func (s *Server) controlFaults(w http.ResponseWriter, _ *http.Request) error {
	protocol.WriteJSON(w, http.StatusOK, s.faults.List())
	return nil
}

func (s *Server) controlAdd(w http.ResponseWriter, r *http.Request) error {
	var fault fault.Fault
	if err := json.NewDecoder(r.Body).Decode(&fault); err != nil {
		return protocol.BadRequest("BadFault", "%v", err)
	}
	id, err := s.Inject(fault)
	if err != nil {
		return protocol.BadRequest("BadFault", "%v", err)
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]string{"id": id})
	return nil
}

func (s *Server) controlRemove(w http.ResponseWriter, r *http.Request) error {
	if !s.Remove(strings.TrimSpace(pathVariable(r))) && pathVariable(r) != "" {
		return &protocol.Failure{Status: http.StatusNotFound}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) controlState(w http.ResponseWriter, _ *http.Request) error {
	protocol.WriteJSON(w, http.StatusOK, s.State())
	return nil
}

func (s *Server) controlRequests(w http.ResponseWriter, _ *http.Request) error {
	protocol.WriteJSON(w, http.StatusOK, s.Requests())
	return nil
}

func (s *Server) controlForget(w http.ResponseWriter, _ *http.Request) error {
	s.requests.clear()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

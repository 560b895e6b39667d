package convexsim

import "net/http"

// serveSite takes a request on the site port.
func (s *Server) serveSite(w http.ResponseWriter, r *http.Request) {
	rec := newRecorder(w, r, "site")
	defer s.record(rec)
	writeNoRoute(rec, nil)
}

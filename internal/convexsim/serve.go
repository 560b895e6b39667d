package convexsim

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// serveAPI takes a request on the API port through the backend's layers in its
// order: client version, concurrency limit, timeout, CORS, routing.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.serveControl(w, r)
		return
	}
	rec := newRecorder(w, r, "api")
	defer s.record(rec)
	rt, r, allowed := find(s.routes, r)
	rec.entry.Stage, rec.endpoint = rt.stage, rt.path
	if rt.path == "/version" || rt.path == "/metrics" {
		// These two are outside of the layers.
		s.answer(rec, rec, r, rt)
		return
	}
	if err := protocol.CheckClient(r, socketVersion(r)); err != nil {
		protocol.WriteFailure(rec, err)
		return
	}
	s.limited(s.apiPermits, rec, r, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/http/") && allowOrigin(w, r) {
			return
		}
		if rt.handle == nil {
			s.readRest(r)
			writeNoRoute(w, allowed)
			return
		}
		s.answer(rec, w, r, rt)
	})
}

// limited runs a request when there is a permit for it, for at most the request
// timeout.
func (s *Server) limited(limit permits, w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	release, err := limit.acquire(r.Context())
	if err != nil {
		return // the client has left
	}
	defer release()
	ctx, cancel := context.WithTimeout(r.Context(), s.options.RequestTimeout)
	defer cancel()
	// Reading a slow body ends with the timeout too. The server clears the
	// deadline before the next request.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.options.RequestTimeout))
	serve(&headWatcher{ResponseWriter: w, onHead: release}, r.WithContext(ctx))
}

func (s *Server) record(rec *recorder) {
	entry := rec.finish()
	s.requests.add(entry)
	s.metrics.observe(rec.endpoint, entry.Method, entry.Status, entry.Client, entry.Duration)
	s.log.Debug("request", "port", entry.Port, "method", entry.Method, "path", entry.Path,
		"status", entry.Status, "bytes", entry.Bytes, "duration", entry.Duration)
}

package convexsim

import (
	"io"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

const (
	httpPrefix        = "/http"
	noHTTPActions     = "This Convex deployment does not have HTTP actions enabled."
	noRoute           = "No matching routes found"
	httpActionMethods = "GET POST PUT PATCH DELETE OPTIONS"
)

// httpActionAnswer stands for the answer of an HTTP action: it says how the
// request arrived.
type httpActionAnswer struct {
	Simulator string `json:"simulator"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	URL       string `json:"url"` // as the action's Request would have it
	BodyBytes int64  `json:"bodyBytes"`
}

// handleHTTPAction answers an HTTP action: 404 until an http.ts is pushed. Where no
// functions are run that is 200 for every path, since the routes are not known then.
func (s *Server) handleHTTPAction(w http.ResponseWriter, r *http.Request) error {
	if _, ok := s.store.View().Definitions[""].Modules[state.HTTPModule]; !ok {
		protocol.WriteText(w, http.StatusNotFound, noHTTPActions)
		return nil
	}
	if s.functions != nil {
		return s.runHTTPAction(w, r)
	}
	size, err := io.Copy(io.Discard, protocol.LimitBody(r.Body, protocol.HTTPActionBodyLimit))
	if err != nil {
		return &protocol.Failure{Status: http.StatusRequestEntityTooLarge}
	}
	target := strings.TrimPrefix(r.URL.RequestURI(), httpPrefix)
	protocol.WriteJSON(w, http.StatusOK, httpActionAnswer{
		Simulator: notRun, Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, httpPrefix),
		URL: forwardedScheme(r) + "://" + r.Host + target, BodyBytes: size,
	})
	return nil
}

// runHTTPAction has the app's http.ts answer.
func (s *Server) runHTTPAction(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(protocol.LimitBody(r.Body, protocol.HTTPActionBodyLimit))
	if err != nil {
		return &protocol.Failure{Status: http.StatusRequestEntityTooLarge}
	}
	stored := s.store.View()
	if err := stored.CheckDeployed(""); err != nil {
		return err
	}
	answer, err := s.functions.HTTP(r.Context(), runner.Request{
		Method: r.Method, URL: forwardedScheme(r) + "://" + r.Host + strings.TrimPrefix(r.URL.RequestURI(), httpPrefix),
		Headers: runner.HeaderPairs(r.Header), Body: body,
	})
	switch {
	case err != nil:
		return err
	case answer == nil:
		protocol.WriteText(w, http.StatusNotFound, noRoute)
		return nil
	}
	for _, pair := range answer.Headers {
		w.Header().Add(pair[0], pair[1])
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body) // the client has left
	return nil
}

// forwardedScheme returns what the backend takes for the scheme of the client's URL.
func forwardedScheme(r *http.Request) string {
	if proto := r.Header.Get("X-Forwarded-Proto"); proto != "" {
		return proto
	}
	first, _, _ := strings.Cut(r.Header.Get("Forwarded"), ",")
	for pair := range strings.SplitSeq(first, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(key, "proto") {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return "http"
}

// handleCallback answers /api/actions/…, through which Node.js actions call back.
func handleCallback(w http.ResponseWriter, r *http.Request) error {
	if _, err := io.Copy(io.Discard, protocol.LimitBody(r.Body, protocol.CallbackBodyLimit)); err != nil {
		return protocol.BodyFailure(r.Context(), err)
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]any{"status": "success", "value": nil, "simulator": notRun})
	return nil
}

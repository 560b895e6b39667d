package convexsim

import (
	"io"
	"net/http"
	"strings"
)

const (
	httpPrefix        = "/http"
	noHTTPActions     = "This Convex deployment does not have HTTP actions enabled."
	httpActionMethods = "GET POST PUT PATCH DELETE OPTIONS"
)

// httpActionAnswer stands for the answer of an HTTP action: it tells how the
// request arrived.
type httpActionAnswer struct {
	Simulator string `json:"simulator"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	URL       string `json:"url"` // as the action's Request would have it
	BodyBytes int64  `json:"bodyBytes"`
}

// handleHTTPAction answers what would be an HTTP action: 404 until an http.ts is
// pushed, then 200 for every path, since its routes are not known here.
func (s *Server) handleHTTPAction(w http.ResponseWriter, r *http.Request) error {
	if _, ok := s.store.view().Definitions[""].Modules[httpModule]; !ok {
		writeText(w, http.StatusNotFound, noHTTPActions)
		return nil
	}
	size, err := io.Copy(io.Discard, &limitedReader{reader: r.Body, left: httpActionBodyLimit})
	if err != nil {
		return &failure{status: http.StatusRequestEntityTooLarge}
	}
	target := strings.TrimPrefix(r.URL.RequestURI(), httpPrefix)
	writeJSON(w, http.StatusOK, httpActionAnswer{
		Simulator: notRun, Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, httpPrefix),
		URL: forwardedScheme(r) + "://" + r.Host + target, BodyBytes: size,
	})
	return nil
}

// forwardedScheme is what the backend believes about the client's URL.
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
	if _, err := io.Copy(io.Discard, &limitedReader{reader: r.Body, left: callbackBodyLimit}); err != nil {
		return bodyFailure(r.Context(), err)
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": "success", "value": nil, "simulator": notRun})
	return nil
}

package convexsim

import "net/http"

const (
	corsMethods = "GET,POST,OPTIONS,PATCH,DELETE,PUT"
	corsVary    = "origin, access-control-request-method, access-control-request-headers"
)

// allowOrigin answers as if every origin were ours, credentials included, which
// is what the backend does on all routes but those of HTTP actions. It reports
// whether the request was a preflight, which it then has answered.
func allowOrigin(w http.ResponseWriter, r *http.Request) (answered bool) {
	header := w.Header()
	header.Set("Vary", corsVary)
	header.Set("Access-Control-Allow-Credentials", "true")
	if origin := r.Header.Get("Origin"); origin != "" {
		header.Set("Access-Control-Allow-Origin", origin)
	}
	if r.Method != http.MethodOptions {
		return false
	}
	header.Set("Access-Control-Allow-Methods", corsMethods)
	header.Set("Access-Control-Max-Age", "86400")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		header.Set("Access-Control-Allow-Headers", asked)
	}
	header.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return true
}

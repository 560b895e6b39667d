package proxy

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

// A cache in front of the proxy keeps no refusal, and gives none of one visitor to another.
func TestRefusalsAreNotKept(t *testing.T) {
	p := start(t, config.Environ{
		"BASE_PATH": "/tale", "DASHBOARD_ALLOW": "192.0.2.7", "MAX_BODY": "1KB",
		"PLATFORM_UPSTREAM": "127.0.0.1:1", "CONVEX_SITE_UPSTREAM": "127.0.0.1:1", "HTTP_ACTIONS_UPSTREAM": "site-port",
	})
	for request, want := range map[string]int{
		"GET /tale/a%2fb/../metrics":            http.StatusBadRequest,
		"GET /tale/tale/metrics":                http.StatusBadRequest,
		"get /tale/":                            http.StatusBadRequest,
		"GET /tale/metrics":                     http.StatusUnauthorized,
		"GET /tale/convex-dashboard/":           http.StatusForbidden,
		"POST /tale/api/run_test_function":      http.StatusForbidden,
		"GET /tale/ws_api/version":              http.StatusNotFound,
		"GET /tale/http_api/metrics":            http.StatusNotFound,
		"GET /elsewhere":                        http.StatusNotFound,
		"CONNECT /tale/":                        http.StatusMethodNotAllowed,
		"GET http://other.test/tale/":           http.StatusMisdirectedRequest,
		"GET /tale/x.json":                      http.StatusServiceUnavailable,
		"GET /tale/http_api/x":                  http.StatusBadGateway,
		"POST /tale/api/storage/x with 2,000 B": http.StatusRequestEntityTooLarge,
	} {
		line, body := request, ""
		if _, err := fmt.Sscanf(request, "POST /tale/api/storage/x with %s", new(string)); err == nil {
			line, body = "POST /tale/api/storage/x", fmt.Sprintf("%02000d", 0)
		}
		response := p.raw(fmt.Sprintf("%s HTTP/1.1\nHost: site.test\nContent-Length: %d\nConnection: close\n\n%s", line, len(body), body))
		if got := response.Header.Get("Cache-Control"); response.StatusCode != want || got != "no-store" {
			t.Errorf("%s: %d, want %d, Cache-Control %q", request, response.StatusCode, want, got)
		}
	}
}

package proxy

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
)

// The backend serves its own metrics at exactly /metrics, and matches the path as
// it is sent, without decoding or cleaning it.
func isBackendMetrics(got seen) bool {
	path, _, _ := strings.Cut(got.URI, "?")
	onBackend := Upstream(got.On) == Backend || Upstream(got.On) == SitePort
	return onBackend && strings.EqualFold(strings.Trim(path, "/"), "metrics")
}

func TestBackendMetricsAreUnreachable(t *testing.T) {
	prefixes := []string{"", "/ws_api", "/http_api", "/api", "/api/storage", "/api/actions", "/api/x", "/convex-dashboard", "/WS_API", "/Http_Api", "/%77s_api", "/http%5Fapi"}
	tails := []string{
		"/metrics", "//metrics", "///metrics", "/./metrics", "/x/../metrics", "/metrics/", "/metrics/.", "/metrics?x=1", "/METRICS", "/MetRics",
		"/%6detrics", "/%6D%65%74%72%69%63%73", "/metric%73", "/%2e/metrics", "/%2e%2e/metrics", "/%2E%2E/metrics", "/..%2fmetrics", "/..%2Fmetrics",
		"/%2fmetrics", "/%2Fmetrics", "/x/%2e%2e/metrics", "/x%2f..%2fmetrics", "/../metrics", "/../../metrics", "/../../../metrics",
		"/%252e%252e/metrics", "/%25%32%65/metrics", "/..;/metrics", "/metrics;x", "/metrics%00", "/metrics%20", "/metrics%2e", "/metrics%2f", "/;/metrics", "/..%5cmetrics", "/.%2e/metrics",
	}
	for name, env := range map[string]config.Environ{
		"at the root":  {"METRICS_BEARER_TOKEN": ""},
		"site port":    {"HTTP_ACTIONS_UPSTREAM": "site-port"},
		"under a path": {"BASE_PATH": "/tale"},
	} {
		t.Run(name, func(t *testing.T) {
			env["TLS_MODE"] = TLSExternal // the same routes, without the cost of TLS
			p := start(t, env)
			bases := []string{""}
			if base := p.settings.site().base; base != "" {
				bases = []string{base, base + "/x/.."}
			}
			var targets []string
			for _, base := range bases {
				for _, prefix := range prefixes {
					for _, tail := range tails {
						targets = append(targets, base+prefix+tail)
					}
				}
			}
			p.checkHidden(targets)
		})
	}
}

// checkHidden asks for all targets over one connection: TLS handshakes would
// take most of the time.
func (p *running) checkHidden(targets []string) {
	p.Helper()
	conn := p.dial(nil)
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	answers := bufio.NewReader(conn)
	for _, target := range targets {
		// With an admin key, because that opens more rows, not fewer.
		if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Convex x|1\r\n\r\n", target, siteName); err != nil {
			p.Fatal(err)
		}
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			p.Fatalf("%s: %v", target, err)
		}
		got := echoed(p.T, response)
		_ = response.Body.Close()
		if isBackendMetrics(got) {
			p.Errorf("%s reached %s as %s", target, got.On, got.URI)
		}
	}
}

func TestMetricsInAnySpellingNeverReachTheApplication(t *testing.T) {
	p := start(t, nil)
	for _, target := range []string{"/metrics", "/METRICS/convex", "//metrics", "/%6detrics", "/metrics%2fconvex", "/x/../metrics", "/x/%2e%2e/metrics", "/./metrics/rag"} {
		response := p.raw(fmt.Sprintf("GET %s HTTP/1.1\nHost: %s\nConnection: close\n\n", target, siteName))
		if response.StatusCode != http.StatusUnauthorized || response.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d", target, response.StatusCode)
		}
	}
}

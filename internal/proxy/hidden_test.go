package proxy

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// The backend serves its own metrics at exactly /metrics, and matches the path as
// it is sent, without decoding or cleaning it.
func isBackendMetrics(got seen) bool {
	path, _, _ := strings.Cut(got.URI, "?")
	onBackend := routes.Upstream(got.On) == routes.Backend || routes.Upstream(got.On) == routes.SitePort
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
			env["TLS_MODE"] = stack.TLSExternal // the same routes, without the cost of TLS
			p := start(t, env)
			bases := []string{""}
			if base := p.settings.Address().Base; base != "" {
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

// Nobody thinks of every spelling, so chance does, too: each letter as itself, in
// another case or encoded, once or twice; everything that one program or another
// takes for a separator, or drops.
func TestBackendMetricsAreUnreachableHoweverTheyAreSpelled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	pick := func(from []string) string { return from[chance.IntN(len(from))] }
	separators := []string{"/", "/", "/", "//", "/./", "/x/../", "/%2e/", "/x/%2e%2e/", "%2f", "%2F", "/%2f", "\\", "%5c", "/..;/x/../", "/;/", "/.%2f", "%252f", "/%252e%252e/", "/%00/", "/%20/"}
	prefixes := []string{"", "", "/ws_api", "/http_api", "/api", "/api/storage", "/api/actions", "/convex-dashboard", "/ws_api/api", "/ws_api/api/storage", "/http_api/http", "/api/1.2.3", "/metrics"}
	ends := []string{"", "", "", "/", ".", "..", "/.", "/..", ";", ";x", "%00", "%20", "%2e", "%2f", "%3f", "%23", "?", "?x=/..", "\\", "~", "+", "%0a"}
	spell := func(text string) string {
		var spelled strings.Builder
		for _, letter := range []byte(text) {
			switch chance.IntN(12) {
			case 0:
				fmt.Fprintf(&spelled, "%%%02x", letter)
			case 1:
				fmt.Fprintf(&spelled, "%%25%02X", letter)
			case 2:
				spelled.WriteString(strings.ToUpper(string(letter)))
			default:
				spelled.WriteByte(letter)
			}
		}
		return spelled.String()
	}
	targets := make([]string, 1500)
	for i := range targets {
		prefix := pick(prefixes)
		if chance.IntN(2) == 0 {
			prefix = spell(prefix)
		}
		if prefix != "" {
			prefix = "/" + strings.TrimLeft(prefix, "/")
		}
		name := "metrics"
		if chance.IntN(2) == 0 {
			name = spell(name)
		}
		targets[i] = prefix + pick(separators) + strings.Repeat(pick(separators), chance.IntN(2)) + name + pick(ends)
		if targets[i][0] != '/' {
			targets[i] = "/" + targets[i]
		}
	}
	start(t, config.Environ{"TLS_MODE": stack.TLSExternal}).checkHidden(targets)
	p := start(t, nil)
	overHTTP2 := func(target string) seen {
		return p.bodyOf([]field{{":method", "GET"}, {":scheme", "https"}, {":authority", siteName}, {":path", target}, {"authorization", "Convex x|1"}})
	}
	if got := overHTTP2("/api/query"); routes.Upstream(got.On) != routes.Backend {
		t.Fatalf("a request that should reach the backend: %+v", got)
	}
	for _, target := range targets[:30] {
		if got := overHTTP2(target); isBackendMetrics(got) {
			t.Errorf("%s over HTTP/2 reached %s as %s", target, got.On, got.URI)
		}
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

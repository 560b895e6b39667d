package proxy

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// outcome is what became of one request: what an upstream saw of it, or what the
// proxy answered itself.
type outcome struct {
	status   int
	location string
	seen     seen
}

func (o outcome) String() string {
	if o.seen.On == "" {
		return fmt.Sprintf("%d %s", o.status, o.location)
	}
	return fmt.Sprintf("%d %s %s %s, host %s, %d bytes, %v", o.status, o.seen.On, o.seen.Method, o.seen.URI, o.seen.Host, o.seen.Bytes, o.seen.Header)
}

// TestTheSameAsTheClassicConfiguration sends requests through the configuration
// that the proxy replaces, on Caddy as it is, and through the proxy, and compares
// what arrives. What is meant to differ is said in intended.
func TestTheSameAsTheClassicConfiguration(t *testing.T) {
	for name, base := range map[string]string{"at the root": "", "under a path": "/tale"} {
		t.Run(name, func(t *testing.T) {
			const token = "simple-token" // others the classic configuration cannot take
			env := environ(t, config.Environ{
				"SITE_URL": "http://" + siteName, "TLS_MODE": "external", "TRUSTED_PROXIES": "none",
				"METRICS_BEARER_TOKEN": token, "BASE_PATH": base,
			})
			ours, classic := start(t, env), startClassic(t, env)
			requests := differential(base, token)
			t.Logf("%d requests", len(requests))
			for _, request := range requests {
				want := intended(base, request, exchange(t, classic, request))
				if got := exchange(t, ours.address(), request); got.String() != want.String() {
					t.Errorf("%q\nours:    %v\nclassic: %v", request, got, want)
				}
			}
		})
	}
}

func (p *running) address() string {
	return p.settings.ListenAddress(p.settings.HTTPPort)
}

// startClassic runs stock Caddy in a process of its own, which is this binary by
// its other name.
func startClassic(t *testing.T, env config.Environ) (address string) {
	t.Helper()
	port := testkit.FreePort(t)
	classic := maps.Clone(env)
	classic["CLASSIC_PORT"], classic["CLASSIC_DATA"], classic["CLASSIC_STRIP"] = port, t.TempDir(), ""
	if base := env["BASE_PATH"]; base != "" {
		classic["CLASSIC_STRIP"] = "uri strip_prefix " + base
	}
	classic["XDG_DATA_HOME"], classic["XDG_CONFIG_HOME"] = classic["CLASSIC_DATA"], classic["CLASSIC_DATA"]
	classic[testkit.RoleVariable] = caddyRole
	spawn(t, classic, "run", "--config", "testdata/classic.caddyfile", "--adapter", "caddyfile")
	address = "127.0.0.1:" + port
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = conn.Close()
			return address
		}
	}
	t.Fatal("stock Caddy does not start")
	return ""
}

// exchange sends a request as text over a connection of its own.
func exchange(t *testing.T, address, request string) outcome {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	response := readResponse(t, conn)
	result := outcome{status: response.StatusCode, location: response.Header.Get("Location"), seen: echoed(t, response)}
	for _, name := range []string{"X-Real-Ip", "X-Request-Id"} {
		delete(result.seen.Header, name) // ours tells every upstream, the classic one only some
	}
	return result
}

// differential makes the requests: every path with every method and every set of
// headers would be thousands, so each path meets each of the others once.
func differential(base, token string) []string {
	paths := []string{
		"/", "/index.html", "/a/b/c", "/a//b", "//a", "/a/./b", "/a/../b", "/a%2Fb", "/a%2fb/%2e%2e/c", "/%C3%BC/%E2%82%AC", "/a%20b+c", "/a;b=c", "/a%3Fb", "/a%23b", "/a%25b",
		"/x?a=b&a=c", "/x?", "/x??", "/x?a=%2F&b=%20+", "/x?a[]=1", "/x?=1", "/~user/.well-known/x", "/a:b@c!$&'()*,=", "/A/B", "/trailing/",
		"/health", "/health/", "/HEALTH", "/health?x", "/healthy", "/api/health",
		"/ws_api/api/1.35.1/sync", "/ws_api/api/sync?x=1", "/ws_api/api/query", "/ws_api/api/storage/a%2Fb", "/WS_API/api/query", "//ws_api/api/query", "/ws_api//api/query", "/%77s_api/api/query",
		"/ws_api/", "/ws_api/version", "/ws_api/api/shapes2", "/ws_apix",
		"/api/1.35.1/sync", "/api/x%2Fy/sync", "/api/sync", "/api/a/b/sync", "/API/1/SYNC", "/api//sync",
		"/http_api/", "/http_api/hook", "/http_api/a%2Fb?c=%2F", "/http_api//a//b", "/HTTP_API/x", "/http_api/../x", "/http_apix", "/http_api/%C3%BC",
		"/convex-logo-only.svg", "/convex-light.svg?v=1", "/apple-touch-icon.png", "/CONVEX-LIGHT.svg",
		"/data?component=x", "/data/table?component=", "/functions?x=1&component=a%2Fb", "/logs/?component=1", "/history?component", "/settings/a/b?component=1", "/files?component=1", "/schedules?component=1",
		"/data", "/database?component=1", "/x/data?component=1",
		"/convex-dashboard", "/convex-dashboard/", "/convex-dashboard/_next/static/x.js", "/convex-dashboardx", "/Convex-Dashboard/x",
		"/api/actions/query", "/api/actions/", "/api/storage/upload?token=x", "/api/storage/a/b/c", "/API/storage/x",
		"/api/list_environment_variables", "/api/deploy2/start_push", "/api/auth/callback/x?code=1", "/api/", "/api", "/api/a%2Fb", "/api/a//b", "/api/%C3%BC?x=%C3%BC", "/apix",
		"/metrics", "/metrics/", "/METRICS", "/metrics/crawler", "/metrics/rag?x=1", "/metrics/operator", "/metrics/platform", "/metrics/convex", "/metrics/other", "/metrics/crawler/x", "/metricsx", "//metrics", "/%6detrics",
	}
	variants := []string{
		"GET %s HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n",
		"GET %s HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\nAuthorization: Convex instance|0123\r\n\r\n",
		"GET %s HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\nAuthorization: Bearer " + token + "\r\nCookie: a=b; c=d\r\nAccept-Encoding: gzip, zstd\r\n\r\n",
		"POST %s HTTP/1.1\r\nHost: Other.Test:81\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 13\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Custom: a, b\r\n\r\n{\"body\":true}",
		"PUT %s HTTP/1.1\r\nHost: site.test\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\nTe: trailers\r\nUser-Agent: test\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"DELETE %s HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n",
		"OPTIONS %s HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\nOrigin: https://app.test\r\nAccess-Control-Request-Method: POST\r\n\r\n",
	}
	prefixes := []string{base}
	if base != "" {
		prefixes = append(prefixes, "")
	}
	var requests []string
	for i, path := range paths {
		for j := range 2 {
			for _, prefix := range prefixes {
				requests = append(requests, fmt.Sprintf(variants[(i+j*3)%len(variants)], prefix+path))
			}
		}
	}
	return requests
}

// intended turns what the classic configuration did with a request into what is
// meant to be done with it, one difference after the other.
func intended(base, request string, was outcome) outcome {
	target := strings.Fields(request)[1]
	path, _, _ := strings.Cut(target, "?")
	hasBase := strings.HasPrefix(path, base+"/")
	inner := strings.ToLower(strings.TrimPrefix(path, base))
	switch {
	case strings.Contains(inner, "%2f") && strings.Contains(inner, "%2e%2e"):
		return outcome{status: http.StatusBadRequest} // two servers would read two paths
	case base != "" && !hasBase && !answersWithoutBase(path):
		return outcome{status: http.StatusNotFound} // the application lives under the prefix only
	case strings.HasPrefix(strings.TrimPrefix(inner, "/"), "/ws_api/"), strings.HasPrefix(inner, "/ws_api/"), strings.HasPrefix(inner, "/%77s_api/"):
		if !slices.ContainsFunc([]string{"/api/sync", "/api/1.35.1/sync", "/api/query", "/api/storage/"}, func(open string) bool {
			return strings.HasPrefix(was.seen.URI, open)
		}) {
			return outcome{status: http.StatusNotFound} // the rest of the backend stays inside
		}
	}
	if was.seen.On == string(routes.SitePort) { // the same server, without its limit of four requests
		was.seen.On, was.seen.URI = string(routes.Backend), "/http"+was.seen.URI
	}
	// What was matched is what is sent.
	was.seen.URI = strings.NewReplacer("/./", "/", "/a/../", "/", "/http_api/../", "/").Replace("/" + strings.TrimLeft(was.seen.URI, "/"))
	if was.seen.On != "" {
		if base != "" { // every upstream learns where the site lives
			was.seen.Header.Set("X-Forwarded-Prefix", base)
		}
		if was.seen.On == string(routes.Dashboard) { // its JSON must be readable, to find admin keys in it
			was.seen.Header.Set("Accept-Encoding", "gzip")
		}
		if was.seen.On == string(routes.Platform) { // the port of the site's address is part of it
			if _, host, _ := strings.Cut(request, "Host: "); host != "" {
				was.seen.Host, _, _ = strings.Cut(host, "\r\n")
			}
		}
	}
	return was
}

func answersWithoutBase(path string) bool {
	lower := strings.ToLower(path)
	return lower == "/health" || strings.HasPrefix(lower, "/api/storage/") || strings.HasPrefix(lower, "/api/actions/")
}

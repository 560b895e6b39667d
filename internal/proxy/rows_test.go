package proxy

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
)

func readResponse(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// aRequest is one request and where it must end: at an upstream with a request
// target, or with a status of the proxy's own.
type aRequest struct {
	target string
	header string // "Name: value", or none
	on     routes.Upstream
	uri    string
	status int
	where  string // Location
}

var (
	admin   = "Authorization: Convex instance|0123"
	bearer  = "Authorization: Bearer " + testToken
	nowhere = routes.Upstream("")
)

var tableRequests = []aRequest{
	{"/health", "", nowhere, "", 200, ""},
	{"/health?x=1", "", nowhere, "", 200, ""},

	{"/ws_api/api/1.35.1/sync", "", routes.Backend, "/api/1.35.1/sync", 200, ""},
	{"/ws_api/api/sync", "", routes.Backend, "/api/sync", 200, ""},
	{"/ws_api/api/query", "", routes.Backend, "/api/query", 200, ""},
	{"/ws_api/api/query_at_ts?x=%2F", "", routes.Backend, "/api/query_at_ts?x=%2F", 200, ""},
	{"/ws_api/api/storage/a%2Fb", "", routes.Backend, "/api/storage/a%2Fb", 200, ""},
	{"/ws_api", "", nowhere, "", 404, ""},
	{"/ws_api/", "", nowhere, "", 404, ""},
	{"/ws_api/version", "", nowhere, "", 404, ""},
	{"/ws_api/api/deploy2/start_push", admin, nowhere, "", 404, ""},
	{"/ws_api/api/list_environment_variables", admin, nowhere, "", 404, ""},

	{"/api/1.35.1/sync", "", routes.Backend, "/api/1.35.1/sync", 200, ""},
	{"/api/a/b/sync", "", routes.Backend, "/http/api/a/b/sync", 200, ""},

	{"/http_api/", "", routes.Backend, "/http/", 200, ""},
	{"/http_api/hook?a=b&a=%20c", "", routes.Backend, "/http/hook?a=b&a=%20c", 200, ""},
	{"/http_api/a%2Fb/%C3%BC", "", routes.Backend, "/http/a%2Fb/%C3%BC", 200, ""},

	{"/convex-logo-only.svg", "", routes.Dashboard, "/convex-dashboard/convex-logo-only.svg", 200, ""},
	{"/convex-light.svg", "", routes.Dashboard, "/convex-dashboard/convex-light.svg", 200, ""},
	{"/apple-touch-icon.png", "", routes.Dashboard, "/convex-dashboard/apple-touch-icon.png", 200, ""},

	{"/data?component=x", "", nowhere, "", 302, "/convex-dashboard/data?component=x"},
	{"/schedules/functions?a=1&component=", "", nowhere, "", 302, "/convex-dashboard/schedules/functions?a=1&component="},
	{"/schema?component=x", "", nowhere, "", 302, "/convex-dashboard/schema?component=x"},
	{"/data", "", routes.Platform, "/data", 200, ""},
	{"/database?component=x", "", routes.Platform, "/database?component=x", 200, ""},

	{"/convex-dashboard", "", routes.Dashboard, "/convex-dashboard", 200, ""},
	{"/convex-dashboard/_next/x.js?y", "", routes.Dashboard, "/convex-dashboard/_next/x.js?y", 200, ""},

	{"/api/actions/query", "", routes.Backend, "/api/actions/query", 200, ""},
	{"/api/storage/upload?token=t", "", routes.Backend, "/api/storage/upload?token=t", 200, ""},
	{"/api/list_environment_variables", admin, routes.Backend, "/api/list_environment_variables", 200, ""},
	{"/api/query", "Authorization: Bearer x", routes.Backend, "/http/api/query", 200, ""},
	{"/api/auth/sign-in?x=1", "", routes.Backend, "/http/api/auth/sign-in?x=1", 200, ""},
	{"/api/a%2Fb//c", "", routes.Backend, "/http/api/a%2Fb//c", 200, ""},
	{"/api", "", routes.Platform, "/api", 200, ""},

	{"/metrics/crawler?x=1", bearer, routes.Crawler, "/metrics?x=1", 200, ""},
	{"/metrics/rag", bearer, routes.RAG, "/metrics", 200, ""},
	{"/metrics/operator", bearer, routes.Operator, "/metrics", 200, ""},
	{"/metrics/platform", bearer, routes.Platform, "/metrics", 200, ""},
	{"/metrics/convex", bearer, routes.Platform, "/metrics/convex", 200, ""},
	{"/metrics/crawler", "", nowhere, "", 401, ""},
	{"/metrics/crawler", "Authorization: Bearer wrong", nowhere, "", 401, ""},
	{"/metrics/crawler/", bearer, nowhere, "", 401, ""},
	{"/metrics", bearer, nowhere, "", 401, ""},
	{"/metrics", "", nowhere, "", 401, ""},

	{"/", "", routes.Platform, "/", 200, ""},
	{"/app/x%2Fy?q=%7B1%7D", "", routes.Platform, "/app/x%2Fy?q=%7B1%7D", 200, ""},
	{"/metricsx", "", routes.Platform, "/metricsx", 200, ""},
	{"/healthz", "", routes.Platform, "/healthz", 200, ""},
}

func (p *running) check(requests []aRequest) {
	p.Helper()
	for _, r := range requests {
		header := http.Header{}
		if name, value, ok := strings.Cut(r.header, ": "); ok {
			header.Set(name, value)
		}
		response := p.get(r.target, header)
		if response.StatusCode != r.status || response.Header.Get("Location") != r.where {
			p.Errorf("%s %s: status %d, location %q; want %d, %q", r.target, r.header, response.StatusCode, response.Header.Get("Location"), r.status, r.where)
			continue
		}
		if got := echoed(p.T, response); routes.Upstream(got.On) != r.on || got.URI != r.uri {
			p.Errorf("%s %s: %s got %q; want %s, %q", r.target, r.header, got.On, got.URI, r.on, r.uri)
		}
	}
}

func TestEveryRow(t *testing.T) {
	start(t, nil).check(tableRequests)
}

func TestMetricsStayClosedWithoutAToken(t *testing.T) {
	p := start(t, config.Environ{"METRICS_BEARER_TOKEN": ""})
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer x"} {
		response := p.get("/metrics/platform", http.Header{"Authorization": {header}})
		if response.StatusCode != http.StatusUnauthorized || response.Header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: %d %v", header, response.StatusCode, response.Header)
		}
	}
}

func TestHTTPActionsThroughTheSitePort(t *testing.T) {
	start(t, config.Environ{"HTTP_ACTIONS_UPSTREAM": "site-port"}).check([]aRequest{
		{"/http_api/a%2Fb?x=1", "", routes.SitePort, "/a%2Fb?x=1", 200, ""},
		{"/api/auth/x", "", routes.SitePort, "/api/auth/x", 200, ""},
		{"/api/storage/x", "", routes.Backend, "/api/storage/x", 200, ""},
		{"/http_api/metrics", "", nowhere, "", 404, ""},
	})
}

func TestAllMethodsAndBodiesArrive(t *testing.T) {
	p := start(t, nil)
	for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		for _, target := range []string{"/convex-dashboard/x", "/api/storage/upload", "/api/x", "/x"} {
			body := strings.Repeat("b", 70_000)
			got := echoed(t, p.send(method, target, nil, strings.NewReader(body)))
			if got.Method != method || got.Bytes != int64(len(body)) {
				t.Errorf("%s %s: upstream got %s with %d bytes", method, target, got.Method, got.Bytes)
			}
		}
	}
}

func TestUploadOf100MB(t *testing.T) {
	const size = 100 << 20
	p := start(t, config.Environ{"TLS_MODE": "external"})
	got := echoed(t, p.send("POST", "/api/storage/upload", nil, zeros(size)))
	if got.Bytes != size {
		t.Errorf("upstream got %d bytes of %d", got.Bytes, size)
	}
}

package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
)

func TestDashboardAllow(t *testing.T) {
	protected := []aRequest{
		{"/convex-dashboard/data", "", routes.Dashboard, "/convex-dashboard/data", 200, ""},
		{"/api/list_environment_variables", admin, routes.Backend, "/api/list_environment_variables", 200, ""},
		{"/api/1.35.1/sync", "", routes.Backend, "/api/1.35.1/sync", 200, ""},
		{"/ws_api/api/query", admin, routes.Backend, "/api/query", 200, ""},
		{"/ws_api/api/query", strings.ToLower(admin), routes.Backend, "/api/query", 200, ""},
		{"/ws_api/api/query?%61dminKey=x", "Authorization: Bearer x", routes.Backend, "/api/query?%61dminKey=x", 200, ""},
	}
	open := []aRequest{
		{"/", "", routes.Platform, "/", 200, ""},
		{"/api/x", "", routes.Backend, "/http/api/x", 200, ""},
		{"/ws_api/api/1.35.1/sync", "", routes.Backend, "/api/1.35.1/sync", 200, ""},
		{"/ws_api/api/query", "Authorization: Bearer x", routes.Backend, "/api/query", 200, ""},
		{"/api/storage/x", "", routes.Backend, "/api/storage/x", 200, ""},
		{"/api/actions/x", "", routes.Backend, "/api/actions/x", 200, ""},
	}
	refused := make([]aRequest, len(protected))
	for i, r := range protected {
		refused[i] = aRequest{target: r.target, header: r.header, status: http.StatusForbidden}
	}
	for list, want := range map[string][]aRequest{
		"127.0.0.0/8":             protected,
		"10.0.0.0/8, 127.0.0.1":   protected,
		"private_ranges":          protected,
		"192.0.2.7":               refused,
		"10.0.0.0/8 192.0.2.0/24": refused,
	} {
		t.Run(list, func(t *testing.T) {
			p := start(t, config.Environ{"DASHBOARD_ALLOW": list, "TLS_MODE": "external", "TRUSTED_PROXIES": "none"})
			p.check(want)
			p.check(open)
		})
	}
}

func TestDashboardAllowGoesByTheVisitor(t *testing.T) {
	const dashboard, none = "/convex-dashboard/", "(none)"
	for allow, visits := range map[string]map[string]int{
		"203.0.113.9":                             {"203.0.113.9": 200, "203.0.113.10": 403, "203.0.113.9, 203.0.113.10": 403, none: 403, "::ffff:203.0.113.9": 200},
		"127.0.0.0/8":                             {"192.168.1.5": 403, "10.8.0.9": 403, "172.31.1.1": 403, "fd00::5": 403, "garbage": 403, "unknown": 403, "": 403, `"127.0.0.1"`: 403, "127.0.0.1, ": 403, "127.0.0.1": 200, none: 200},
		"10.99.0.0/16, 0.0.0.0/0, ::/0":           {"10.99.0.1": 200, "garbage": 403, "": 403, "2001:db8::1": 200},
		"::ffff:10.0.0.0/104, ::ffff:203.0.113.9": {"10.1.2.3": 200, "::ffff:10.1.2.3": 200, "[::ffff:10.1.2.3]:99": 200, "203.0.113.9": 200, "11.1.2.3": 403},
	} {
		t.Run(allow, func(t *testing.T) {
			p := start(t, config.Environ{"TLS_MODE": "external", "DASHBOARD_ALLOW": allow})
			for from, want := range visits {
				header := http.Header{"X-Forwarded-For": {from}}
				if from == none {
					header = nil
				}
				if got := p.get(dashboard, header).StatusCode; got != want {
					t.Errorf("from %q: %d, want %d", from, got, want)
				}
			}
		})
	}
}

func TestAdminKeysAreNeverPassedOn(t *testing.T) {
	const key = "tale_platform|0123456789abcdef"
	answers := map[string]string{
		"application/json":                `{"deployments":[{"name":"tale_platform","url":"http://x","adminKey":"` + key + `"}]}`,
		"application/json; charset=utf-8": `{"deployments":[{"admin_key":"` + key + `"}]}`,
		"text/plain":                      `{"AdminKey":"` + key + `"}`,
	}
	leak := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("X-Do"))
		w.Header().Set("Set-Cookie", "key="+key)
		_, _ = fmt.Fprint(w, answers[r.Header.Get("X-Do")])
	}
	p := start(t, config.Environ{"DASHBOARD_UPSTREAM": echo(t, "dashboard", leak)})
	for kind := range answers {
		for _, target := range []string{"/convex-dashboard", "/convex-dashboard/", "/convex-dashboard/api/x", "/convex-light.svg"} {
			response := p.get(target, http.Header{"X-Do": {kind}, "Accept-Encoding": {"gzip"}})
			body := text(t, response)
			if response.StatusCode != http.StatusServiceUnavailable || strings.Contains(body+fmt.Sprint(response.Header), key) {
				t.Errorf("%s as %s: %d %v %s", target, kind, response.StatusCode, response.Header, body)
			}
		}
	}
}

func TestOtherJSONOfTheDashboardIsPassedOn(t *testing.T) {
	p := start(t, nil)
	response := p.get("/convex-dashboard/_next/data/build/index.json", nil)
	if got := echoed(t, response); response.StatusCode != http.StatusOK || routes.Upstream(got.On) != routes.Dashboard {
		t.Errorf("%d from %s", response.StatusCode, got.On)
	}
}

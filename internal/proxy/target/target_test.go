package target

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// table closes the metrics, and is open below /api/storage, but not next to it.
func table(t testing.TB) *Handler {
	target := &Handler{Rows: []Row{
		{Paths: []string{"/api/storage/*"}, Sure: true},
		{Paths: []string{"/api/*"}, Closed: true},
		{Paths: []string{"/metrics", "/metrics/*"}, Closed: true, Sure: true},
		{Paths: []string{"*.php"}, Closed: true},
	}}
	if err := target.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	return target
}

// received returns a request as Go's server makes it of a target; nil if it refuses it.
func received(method, target string) *http.Request {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	original := *u
	r.Method, r.URL, r.RequestURI = method, u, target
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, http.Request{URL: &original}))
}

// sent returns the target that a request has behind the handler.
func sent(t testing.TB, handler *Handler, r *http.Request) (target string, status int) {
	t.Helper()
	err := handler.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
		target = r.URL.RequestURI()
		if known := original.URL.RequestURI(); known != target {
			t.Errorf("%q is sent, and %q kept for the error routes", target, known)
		}
		return nil
	}))
	if handlerErr, ok := err.(caddyhttp.HandlerError); ok {
		return "", handlerErr.StatusCode
	}
	return target, http.StatusOK
}

func TestATargetHasOneForm(t *testing.T) {
	same := []string{
		"/", "/x", "/x/", "/x?", "/x?a=%2F;b/../c", "/a%2Fb", "/a%2fb", "/files/a%2Fb%2F", "/files/%2Fetc", "/x/https%3A%2F%2Fa.test%2Fb", "/x/https://a.test/b",
		"/a%5Cb", "/a%252Fb", "/a%25b", "/100%25ab", "/%C3%BC", "/%c3%bc", "/a%20b", "/a;v=1/b", "/a//b", "/a/b//", "/.well-known/x", "/a/...", "/a/.b", "/a(b)[c]/!$&'*+,=:@",
		"/a%22%3C%3E%5E%60%7B%7C%7D", "/a%3Fb%23c", "/metrics", "/metrics/a%2Fb", "/metrics%2Fx", "/METRICS", "/api/x", "/api/storage/a%2Fb", "/api/storage;x/y", "/x.php", "/a%2Fx.php", "/metrics%2Fx.data",
		"/_next/data/B/page.json", "/_next/data/B/a%2Fb.json?x", "/_next/data/metrics", "/_next/static/data/metrics.js", "/page.data", "/api/storage/x.data", "/metrics.json", "/metrics/x.data", "/metrics.database",
	}
	forms := map[string]string{
		"/%6detrics": "/metrics", "/%7Euser": "/~user", "/%2E%2e/x": "/x", "/a/%2e/b": "/a/b",
		"/a/../b": "/b", "/a/./b": "/a/b", "/a/..": "/", "/a/.": "/a/", "/../../a": "/a", "/a/b/../../../c/": "/c/",
		"//": "/", "//x/metrics": "/x/metrics", "///x": "/x", "/api//storage/x": "/api/storage/x",
		`/a"<>^` + "`{|}": "/a%22%3C%3E%5E%60%7B%7C%7D", "/a%2Fb\"": "/a%2Fb%22", "/ü": "/%C3%BC",
		"http://site.test": "/", "http://site.test?x": "/?x", "HTTPS://site.test:1/a%2Fb?c": "/a%2Fb?c", "http://site.test/x/../metrics": "/metrics",
	}
	for _, target := range same {
		forms[target] = target
	}
	handler := table(t)
	for target, want := range forms {
		for range 2 { // the form of a form is itself
			got, status := sent(t, handler, received(http.MethodGet, target))
			if got != want || status != http.StatusOK {
				t.Errorf("%q became %q, %d; want %q", target, got, status, want)
			}
			target = want
		}
	}
}

func TestATargetWithoutOneMeaningIsRefused(t *testing.T) {
	handler := table(t)
	for _, target := range []string{
		"x:http://platform/metrics", "x:metrics", "http:metrics", "http:/metrics", "http:///metrics", "x://host/metrics", "http://user@site.test/", "*",
		"/a%00b", "/a%0ab", "/a%7F", "/a\\b", "/a#b", "/x?a#b", "/x?a b", "/%ff", "/%c0%ae%c0%ae/metrics",
		"/a%2fb/../metrics", "/a%2fb/%2e%2e/metrics", "/a%5cb/../metrics", "/a;b/../metrics", "/a//../metrics", "/a/..%2fmetrics", "/a%2f..%2fmetrics", "/a%2f..", "/a/..%5cmetrics", "/%2e%2e%2fmetrics",
		"/a/..;/metrics", "/a/.;x/metrics", "/a/..%3bx/metrics", "/a/..%3fx", "/a/..%23", "/a/%252e%252e/metrics", "/a/%25252e%25252E/metrics", "/a/%25%32%65/b", "/a/..%20/b", "/%252e",
		"/%256detrics", "/%25256detrics", "/metrics;x", "/metrics%3bx", "/;/metrics", "/;x/metrics", "/metrics%3f", "/metrics%23x", "/metrics%20", "/%5cmetrics%5c..", "/%5cx/metrics", "/%2fx/metrics", "/%2f%2fx/metrics", "/metric%2509s",
		"/api/storage;/../x", "/api/storage%2Fx", "/api;/x", "/x.php;y", "/x.php%3fy",
		"/_next/data/B/metrics.json", "/_next/data/B/metrics/x.json", "/_next/data/B/index/metrics.json", "/_NEXT/Data/B/metrics.json", "/_next/data/B//metrics.json/", "/_next/data/B/%256detrics.json", "/_next%2fdata/B/metrics.json", "/_next/data/B%2fmetrics.json", "/_next/data/B/x/../metrics.json",
		"/_next/data/B/metrics.Json", "/metrics.data", "/METRICS.rsc", "/metrics.DATA", "/metrics.data/", "/_next/data/B/api/x.json", "/x.php.data",
		"/%" + strings.Repeat("25", 40) + "41", "/a%2F" + strings.Repeat("b", maxOddPath),
	} {
		r := received(http.MethodGet, target)
		if r == nil {
			t.Errorf("%q is refused before", target)
			continue
		}
		if got, status := sent(t, handler, r); status != http.StatusBadRequest {
			t.Errorf("%q became %q, %d", target, got, status)
		}
	}
}

func TestMethods(t *testing.T) {
	for method, want := range map[string]int{
		"GET": 200, "PROPFIND": 200, "M-SEARCH": 200, "VERSION-CONTROL": 200,
		"": 400, "get": 400, "Get": 400, "GET /x": 400, "G,T": 400, "GET\t": 400, "GÉT": 400, "CONNECT": 405,
	} {
		if _, status := sent(t, table(t), received(method, "/x")); status != want {
			t.Errorf("%q: %d, want %d", method, status, want)
		}
	}
}

// The form of a form is itself, and no number of decodings finds a dot segment in it.
func FuzzTarget(f *testing.F) {
	for _, target := range []string{"/a%2fb/../metrics", "/a%252e/..;/b", "//x//./y?z", "/%5c..\\x", "x:y"} {
		f.Add(target)
	}
	handler := table(f)
	f.Fuzz(func(t *testing.T, target string) {
		r := received(http.MethodGet, target)
		if r == nil {
			return
		}
		form, status := sent(t, handler, r)
		if status != http.StatusOK {
			return
		}
		if again, _ := sent(t, handler, received(http.MethodGet, form)); again != form {
			t.Errorf("%q became %q, and that %q", target, form, again)
		}
		path, _, _ := strings.Cut(form, "?")
		for range len(path) {
			if hasDots(strings.ReplaceAll(path, `\`, "/")) || strings.HasPrefix(path, "/metrics;") {
				t.Fatalf("%q became %q, which some decode to %q", target, form, path)
			}
			path = decoded(path)
		}
	})
}

func BenchmarkTarget(b *testing.B) {
	for name, target := range map[string]string{
		"plain": "/assets/index-BfG3k.js?v=1", "umlaut": "/%C3%BCber", "escaped slash": "/files/a%2Fb", "long": "/files/" + strings.Repeat("%2F;a//b", 1000),
	} {
		b.Run(name, func(b *testing.B) {
			handler := table(b)
			next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
			r := received(http.MethodGet, target)
			u := *r.URL
			b.ReportAllocs()
			for b.Loop() {
				*r.URL = u
				_ = handler.ServeHTTP(nil, r, next)
			}
		})
	}
}

package proxy

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestForwardedHeaders(t *testing.T) {
	forged := http.Header{
		"X-Forwarded-For": {"6.6.6.6, 203.0.113.9"}, "X-Forwarded-Proto": {"gopher"}, "X-Forwarded-Host": {"evil.test"},
		"X-Real-Ip": {"6.6.6.6"}, "Forwarded": {"for=6.6.6.6;proto=http"}, "X-Forwarded-Prefix": {"/evil"}, "Cf-Connecting-Ip": {"6.6.6.6"},
	}
	told := http.Header{"X-Forwarded-For": {"6.6.6.6, 203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"public.test"}}
	beside := config.Environ{"TLS_MODE": "external", "EXTRA_SITES": docsName + "=" + docsService(t)}
	tests := map[string]struct {
		env  config.Environ
		sent http.Header
		want map[string]string
	}{
		"a visitor": {nil, nil, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": siteName, "X-Real-Ip": "127.0.0.1"}},
		"a visitor who forges": {nil, forged, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": siteName, "X-Real-Ip": "127.0.0.1",
			"Forwarded": "", "X-Forwarded-Prefix": "", "Cf-Connecting-Ip": ""}},
		"a terminator": {config.Environ{"TLS_MODE": "external"}, told, map[string]string{
			"X-Forwarded-For": "203.0.113.9, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": siteName, "X-Real-Ip": "203.0.113.9"}},
		"a terminator that passes on what a visitor sends":     {config.Environ{"TLS_MODE": "external", "HOST": "alias.test"}, http.Header{"X-Forwarded-Host": {"alias.test, evil.test"}}, map[string]string{"X-Forwarded-Host": siteName}},
		"a terminator that says which name":                    {config.Environ{"TLS_MODE": "external", "HOST": "alias.test"}, http.Header{"X-Forwarded-Host": {"Alias.test:8443"}}, map[string]string{"X-Forwarded-Host": "Alias.test:8443"}},
		"a terminator that passes on the name of another site": {beside, http.Header{"X-Forwarded-Host": {docsName}}, map[string]string{"X-Forwarded-Host": siteName}},
		"an extra site's terminator that does":                 {beside, http.Header{"Host": {docsName}, "X-Forwarded-Host": {siteName}}, map[string]string{"X-Forwarded-Host": docsName}},
		"an extra site's terminator":                           {beside, http.Header{"Host": {docsName}, "X-Forwarded-Host": {docsName + ":443"}}, map[string]string{"X-Forwarded-Host": docsName + ":443"}},
		"a terminator that asks by another name":               {config.Environ{"TLS_MODE": "external"}, http.Header{"Host": {"10.1.2.3:80"}, "X-Forwarded-Host": {"public.test"}}, map[string]string{"X-Forwarded-Host": "public.test"}},
		"a terminator that forgets the scheme": {config.Environ{"TLS_MODE": "external"}, http.Header{"X-Forwarded-For": {"203.0.113.9"}}, map[string]string{
			"X-Forwarded-Proto": "https", "X-Real-Ip": "203.0.113.9"}},
		"a terminator of a plain site": {config.Environ{"TLS_MODE": "external", "SITE_URL": "http://" + siteName}, nil, map[string]string{"X-Forwarded-Proto": "http"}},
		"a terminator that nobody trusts": {config.Environ{"TLS_MODE": "external", "TRUSTED_PROXIES": "192.0.2.0/24"}, forged, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Real-Ip": "127.0.0.1", "Forwarded": "", "X-Forwarded-Host": siteName}},
		"trust turned off": {config.Environ{"TLS_MODE": "external", "TRUSTED_PROXIES": "none"}, told, map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1"}},
		"a terminator's private visitor": {config.Environ{"TLS_MODE": "external"}, http.Header{"X-Forwarded-For": {"6.6.6.6, ::ffff:192.168.1.5"}}, map[string]string{
			"X-Forwarded-For": "192.168.1.5, 127.0.0.1", "X-Real-Ip": "192.168.1.5"}},
		"a terminator's unknown visitor": {config.Environ{"TLS_MODE": "external"}, http.Header{"X-Forwarded-For": {"6.6.6.6, unknown"}}, map[string]string{
			"X-Forwarded-For": "unknown, 127.0.0.1", "X-Real-Ip": ""}},
		"a list of proxies": {config.Environ{"TLS_MODE": "external", "TRUSTED_PROXIES": "private_ranges"}, http.Header{"X-Forwarded-For": {"6.6.6.6, 203.0.113.9, 192.168.1.5"}}, map[string]string{
			"X-Forwarded-For": "203.0.113.9, 192.168.1.5, 127.0.0.1", "X-Real-Ip": "203.0.113.9"}},
		"trust turned on": {config.Environ{"TRUSTED_PROXIES": "127.0.0.1"}, told, map[string]string{
			"X-Forwarded-For": "203.0.113.9, 127.0.0.1", "X-Real-Ip": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": siteName}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := start(t, tt.env)
			for _, target := range []string{"/", "/api/x", "/convex-dashboard/"} {
				got := echoed(t, p.get(target, tt.sent))
				for header, want := range tt.want {
					if value := strings.Join(got.Header[header], " | "); value != want {
						t.Errorf("%s: %s is %q, want %q", target, header, value, want)
					}
				}
			}
		})
	}
}

func TestHostIsPassedWithItsPort(t *testing.T) {
	p := start(t, config.Environ{"SITE_URL": "https://site.test:8443"})
	for _, target := range []string{"/", "/api/x", "/convex-dashboard/"} {
		if got := echoed(t, p.get(target, http.Header{"Host": {"site.test:8443"}})); got.Host != "site.test:8443" {
			t.Errorf("%s: the upstream sees Host %q", target, got.Host)
		}
	}
}

func TestAClientCannotStripWhatTheApplicationIsTold(t *testing.T) {
	p := start(t, config.Environ{"BASE_PATH": "/tale"})
	got := echoed(t, p.raw("GET /tale/x HTTP/1.1\nHost: site.test\nConnection: close, X-Real-IP, X-Forwarded-Proto, X-Forwarded-For, X-Forwarded-Prefix\n\n"))
	for header, want := range map[string]string{"X-Real-Ip": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Prefix": "/tale"} {
		if value := got.Header.Get(header); value != want {
			t.Errorf("%s is %q, want %q", header, value, want)
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	own := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "secret/1.0")
		w.Header().Set("X-Frame-Options", "DENY")
		w.Header().Set("Strict-Transport-Security", "max-age=1")
	}
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": echo(t, "platform", own)})
	check := func(response *http.Response, want map[string]string) {
		t.Helper()
		for header, value := range want {
			if got := strings.Join(response.Header[header], " | "); got != value {
				t.Errorf("%s: %s is %q, want %q", response.Request.URL, header, got, value)
			}
		}
	}
	defaults := map[string]string{"Server": "", "Via": "", "X-Frame-Options": "SAMEORIGIN", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "strict-origin-when-cross-origin", "Strict-Transport-Security": ""}
	for _, target := range []string{"/", "/health", "/metrics", "/api/x", "/data?component=1", "/ws_api/nope"} {
		check(p.get(target, nil), defaults)
	}
	check(p.get("/", http.Header{"X-Do": {"1"}}), map[string]string{"Server": "", "X-Frame-Options": "DENY", "Strict-Transport-Security": "max-age=1", "X-Content-Type-Options": "nosniff"})
}

func TestCompression(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("X-Do"))
		_, _ = fmt.Fprint(w, strings.Repeat("text ", 1000))
	}
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": echo(t, "platform", answer), "CONVEX_UPSTREAM": echo(t, "backend", answer)})
	for _, tt := range []struct{ target, kind, accept, want string }{
		{"/", "text/html; charset=utf-8", "gzip, deflate, br, zstd", "zstd"},
		{"/", "text/html", "gzip", "gzip"},
		{"/", "application/json", "zstd", "zstd"},
		{"/", "text/html", "", ""},
		{"/", "image/png", "gzip, zstd", ""},
		{"/", "text/event-stream", "gzip, zstd", ""},
		{"/api/x", "application/json", "gzip", "gzip"},
		{"/api/1.2.3/sync", "application/json", "gzip, zstd", ""},
		{"/ws_api/api/1.2.3/sync", "application/json", "gzip, zstd", ""},
	} {
		header := http.Header{"X-Do": {tt.kind}}
		if tt.accept != "" {
			header.Set("Accept-Encoding", tt.accept)
		}
		if got := p.get(tt.target, header).Header.Get("Content-Encoding"); got != tt.want {
			t.Errorf("%+v: encoded as %q", tt, got)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	p := start(t, config.Environ{"MAX_BODY": "1MB"})
	for _, target := range []string{"/x", "/api/x", "/api/storage/x"} {
		if got := p.send("POST", target, nil, strings.NewReader(strings.Repeat("b", 1_000_000))).StatusCode; got != http.StatusOK {
			t.Errorf("%s: a body of the size allowed: %d", target, got)
		}
		if got := p.send("POST", target, nil, zeros(1_000_001)).StatusCode; got != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: a larger one of unknown size: %d", target, got)
		}
	}
	// Refused early: the answer comes although the body never does.
	response := p.raw("POST /x HTTP/1.1\nHost: site.test\nContent-Length: 1000001\n\n")
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a larger one of known size: %d", response.StatusCode)
	}
}

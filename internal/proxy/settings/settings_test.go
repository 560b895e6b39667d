package settings

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
)

func load(env config.Environ) (*Settings, config.Problems) {
	s := &Settings{}
	var problems config.Problems
	_ = errors.As(config.Load(s, env), &problems)
	return s, problems
}

func TestDefaults(t *testing.T) {
	s, problems := load(config.Environ{"SITE_URL": "https://example.com"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	type facts struct {
		HTTPPort, HTTPSPort                                int
		HealthAddr, DataDir, Platform, TLSMode, Name, Site string
	}
	want := facts{80, 443, ":2020", "/data", "platform:3000", stack.TLSSelfSigned, "example.com", "https://example.com/"}
	site := s.Address()
	got := facts{s.HTTPPort, s.HTTPSPort, s.HealthAddr, s.DataDir, s.Platform, s.TLSMode, site.Name, site.URL()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOneWrongSetting(t *testing.T) {
	for _, tt := range []struct{ name, value, variable, words string }{
		{"SITE_URL", "", "SITE_URL", "not set"},
		{"SITE_URL", "example.com", "SITE_URL", "not an absolute"},
		{"SITE_URL", "ftp://example.com", "SITE_URL", "not an absolute"},
		{"SITE_URL", "http://example.com", "SITE_URL", "TLS_MODE=external"},
		{"SITE_URL", "https://example.com/tale", "SITE_URL", "BASE_PATH"},
		{"SITE_URL", "https://example.com?x", "SITE_URL", "query"},
		{"SITE_URL", "https://user@example.com", "SITE_URL", "user name"},
		{"SITE_URL", "https://exa mple.com", "SITE_URL", "URL"},
		{"SITE_URL", "https://{env.HOME}", "SITE_URL", "URL"},
		{"SITE_URL", "https://*.example.com", "SITE_URL", "host name"},
		{"SITE_URL", "https://example.com:99999", "SITE_URL", "port"},
		{"HOST", "https://example.com", "HOST", "not a host name"},
		{"HOST", "example.com:8443", "HOST", "not a host name"},
		{"BASE_PATH", "/tale/../x", "BASE_PATH", "plain path"},
		{"BASE_PATH", "/ta le", "BASE_PATH", "plain path"},
		{"BASE_PATH", "/{path}", "BASE_PATH", "plain path"},
		{"BASE_PATH", "//x/y*", "BASE_PATH", "plain path"},
		{"BASE_PATH", "/api", "BASE_PATH", "answer without it"},
		{"BASE_PATH", "/Health/x", "BASE_PATH", "answer without it"},
		{"TLS_MODE", "letsencypt", "TLS_MODE", "selfsigned, letsencrypt, external"},
		{"TLS_MODE", "letsencrypt", "TLS_MODE", "no public authority"},
		{"EXTRA_SITES", "docs.example.com", "EXTRA_SITES", "without ="},
		{"EXTRA_SITES", "docs.example.com:8443=docs:3002", "EXTRA_SITES", "not a host name"},
		{"EXTRA_SITES", "*.example.com=docs:3002", "EXTRA_SITES", "not a host name"},
		{"EXTRA_SITES", "=docs:3002", "EXTRA_SITES", "not a host name"},
		{"EXTRA_SITES", "b\u00fccher.example=docs:3002", "EXTRA_SITES", "international name"},
		{"EXTRA_SITES", "docs.example.com=docs", "EXTRA_SITES", "not host and port"},
		{"EXTRA_SITES", "docs.example.com=http://docs:3002", "EXTRA_SITES", "without a scheme"},
		{"EXTRA_SITES", "docs.example.com=docs:0", "EXTRA_SITES", "not host and port"},
		{"EXTRA_SITES", "docs.example.com=docs:3002/{path}", "EXTRA_SITES", "not a path"},
		{"EXTRA_SITES", "docs.example.com=docs:3002,DOCS.example.com=docs:3003", "EXTRA_SITES", "twice"},
		{"EXTRA_SITES", "SITE.test=docs:3002", "EXTRA_SITES", "is the main site"},
		{"EXTRA_SITES", "platform=docs:3002", "EXTRA_SITES", "a part of the main site"},
		{"TLS_EMAIL", "me", "TLS_EMAIL", "e-mail"},
		{"ACME_DIRECTORY", "acme", "ACME_DIRECTORY", "absolute"},
		{"ACME_CA_ROOT", "/nowhere/root.pem", "ACME_CA_ROOT", "cannot be read"},
		{"ACME_EAB_KEY_ID", "x", "ACME_EAB_KEY_ID", "both"},
		{"PROXY_HEALTH_ADDR", ":443", "PROXY_HEALTH_ADDR", "has port 443, which is HTTPS_PORT too"},
		{"PROXY_HEALTH_ADDR", "127.0.0.1:80", "PROXY_HEALTH_ADDR", "has port 80, which is HTTP_PORT too"},
		{"PLATFORM_UPSTREAM", "127.0.0.1:80", "PLATFORM_UPSTREAM", "127.0.0.1:80 is this proxy (HTTP_PORT)"},
		{"CONVEX_UPSTREAM", "localhost:443", "CONVEX_UPSTREAM", "is this proxy (HTTPS_PORT)"},
		{"DASHBOARD_UPSTREAM", "site.test:443", "DASHBOARD_UPSTREAM", "is this proxy (HTTPS_PORT)"},
		{"PROXY_SITE_DIR", "/nowhere/site.d", "PROXY_SITE_DIR", "names /nowhere/site.d, which is not in this container"},
		{"HTTP_PORT", "eighty", "HTTP_PORT", "whole number"},
		{"HTTP_PORT", "0", "HTTP_PORT", "1 to 65535"},
		{"HTTPS_PORT", "80", "HTTPS_PORT", "also HTTP_PORT"},
		{"PROXY_BIND_ADDRESS", "localhost", "PROXY_BIND_ADDRESS", "IP address"},
		{"PROXY_HEALTH_ADDR", "2020", "PROXY_HEALTH_ADDR", "listen address"},
		{"HTTP3", "true", "HTTP3", "on, off"},
		{"CONVEX_UPSTREAM", "http://convex:3210", "CONVEX_UPSTREAM", "host:port"},
		{"CONVEX_SITE_UPSTREAM", "convex", "CONVEX_SITE_UPSTREAM", "host:port"},
		{"DASHBOARD_UPSTREAM", "convex:0", "DASHBOARD_UPSTREAM", "host:port"},
		{"PLATFORM_UPSTREAM", "platform:3000/x", "PLATFORM_UPSTREAM", "host:port"},
		{"PLATFORM_UPSTREAM", "{env.X}:3000", "PLATFORM_UPSTREAM", "host:port"},
		{"METRICS_RAG_UPSTREAM", ":8001", "METRICS_RAG_UPSTREAM", "host:port"},
		{"UPSTREAM_RESOLVER", "192.0.2.1", "UPSTREAM_RESOLVER", "host:port"},
		{"PLATFORM_HEALTH", "health", "PLATFORM_HEALTH", "/path"},
		{"PLATFORM_HEALTH", ":x/readyz", "PLATFORM_HEALTH", "port"},
		{"HTTP_ACTIONS_UPSTREAM", "3211", "HTTP_ACTIONS_UPSTREAM", "backend, site-port"},
		{"TRUSTED_PROXIES", "10.0.0.0/33", "TRUSTED_PROXIES", "10.0.0.0/33"},
		{"TRUSTED_PROXIES", "10.0.0.1, proxy", "TRUSTED_PROXIES", `"proxy"`},
		{"DASHBOARD_ALLOW", "everyone", "DASHBOARD_ALLOW", "everyone"},
		{"TRUSTED_ROLE_HEADER", "role_of_user", "TRUSTED_ROLE_HEADER", `"role_of_user"`},
		{"METRICS_BEARER_TOKEN", "a\nb", "METRICS_BEARER_TOKEN", "no client can send"},
		{"METRICS_BEARER_TOKEN", "ab ", "METRICS_BEARER_TOKEN", "no client can send"},
		{"MAX_BODY", "lots", "MAX_BODY", "200MB"},
		{"MAX_BODY", "-1", "MAX_BODY", "200MB"},
		{"ASSETS_CACHE", "some", "ASSETS_CACHE", "512MB"},
		{"ASSETS_CACHE", "10KB", "ASSETS_CACHE", "512MB"},
		{"WEBSOCKET_COMPRESSION", "on", "WEBSOCKET_COMPRESSION", "strip, pass"},
		{"SHUTDOWN_GRACE_SECONDS", "0", "SHUTDOWN_GRACE_SECONDS", "at least 1s"},
		{"SHUTDOWN_GRACE_SECONDS", "soon", "SHUTDOWN_GRACE_SECONDS", "duration"},
		{"TALE_LOG_FORMAT", "xml", "TALE_LOG_FORMAT", "console, json"},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			env := config.Environ{"SITE_URL": "https://site.test"}
			env[tt.name] = tt.value
			_, problems := load(env)
			if len(problems) != 1 || problems[0].Variable != tt.variable || !strings.Contains(problems[0].String(), tt.words) {
				t.Errorf("got %v; want one problem of %s that says %q", problems, tt.variable, tt.words)
			}
		})
	}
}

func TestGoodSettings(t *testing.T) {
	for _, env := range []config.Environ{
		{"SITE_URL": "https://example.com/", "TLS_MODE": "letsencrypt", "TLS_EMAIL": "me@example.com"},
		{"SITE_URL": "https://EXAMPLE.com:443", "BASE_PATH": "/"},
		{"SITE_URL": "http://10.0.0.1:8080", "TLS_MODE": "external", "HTTPS_PORT": "80"},
		{"SITE_URL": "https://[::1]:8443", "TRUSTED_PROXIES": "private_ranges, 192.0.2.1 2001:db8::/32"},
		{"SITE_URL": "https://localhost", "MAX_BODY": "200MB", "SHUTDOWN_GRACE_SECONDS": "2m", "PLATFORM_HEALTH": ":9180/readyz"},
		{"SITE_URL": "https://site.lan", "TLS_MODE": "letsencrypt", "ACME_DIRECTORY": "https://ca.lan/acme/directory", "ACME_EAB_KEY_ID": "k", "ACME_EAB_HMAC_KEY": "abc"},
	} {
		if _, problems := load(env); len(problems) > 0 {
			t.Errorf("%v: %v", env, problems)
		}
	}
}

func TestAllProblemsAtOnceAndNoSecretShown(t *testing.T) {
	_, problems := load(config.Environ{"TLS_MODE": "letsencypt", "HTTP_PORT": "x", "MAX_BODY": "?", "ACME_EAB_HMAC_KEY": "canary", "ACME_EAB_HMAC_KEY_FILE": "/x"})
	var names []string
	for _, p := range problems {
		names = append(names, p.Variable)
	}
	for _, want := range []string{"SITE_URL", "TLS_MODE", "HTTP_PORT", "MAX_BODY", "ACME_EAB_HMAC_KEY"} {
		if !slices.Contains(names, want) {
			t.Errorf("no problem for %s in %v", want, problems)
		}
	}
	if strings.Contains(problems.Error(), "canary") || exit.Code(problems) != exit.Config {
		t.Errorf("exit %d: %v", exit.Code(problems), problems)
	}
}

func TestPublicNames(t *testing.T) {
	for name, want := range map[string]bool{
		"example.com": true, "a.b.example.co.uk": true, "xn--bcher-kva.example.org": true,
		"localhost": false, "tale.local": false, "host": false, "10.0.0.1": false, "::1": false, "x.internal": false, "site.test": false,
	} {
		if got := isPublicName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestVisitorsThatLookAlike(t *testing.T) {
	for _, tt := range []struct{ mode, trusted, allow, want string }{
		{"external", "", "", ""}, {"external", "", "203.0.113.0/24", ""}, {"external", "10.0.0.9", "10.9.0.0/16", ""}, {"selfsigned", "", "private_ranges", ""},
		{"external", "none", "", "TRUSTED_PROXIES"}, {"external", "", "10.8.0.0/16", "DASHBOARD_ALLOW"}, {"external", "::ffff:10.8.0.9", "10.8.0.0/16", "DASHBOARD_ALLOW"}, {"external", "", "0.0.0.0/0", "DASHBOARD_ALLOW"},
	} {
		s, problems := load(config.Environ{"SITE_URL": "https://site.test", "TLS_MODE": tt.mode, "TRUSTED_PROXIES": tt.trusted, "DASHBOARD_ALLOW": tt.allow})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := s.Alike(); (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// With a public authority for the site's name, a name that only the container
// network knows still needs a certificate, and others need our root for it.
func TestALocalAliasOfAPublicSite(t *testing.T) {
	s, problems := load(config.Environ{"SITE_URL": "https://example.com", "HOST": "tale.local", "TLS_MODE": "letsencrypt"})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := s.ACMENames(); len(got) != 1 || got[0] != "example.com" {
		t.Errorf("from the public authority: %v", got)
	}
	if got := s.LocalNames(); len(got) != 1 || got[0] != "tale.local" {
		t.Errorf("from our own: %v", got)
	}
}

// TestAnUpstreamThatIsTheProxy is one at an address where the proxy listens, and no other.
func TestAnUpstreamThatIsTheProxy(t *testing.T) {
	for _, tt := range []struct {
		bound, mode, upstream string
		itself                bool
	}{
		{"", "", "127.0.0.1:80", true},
		{"", "", "127.0.0.1:3000", false},
		{"0.0.0.0", "", "[::1]:443", true},
		{"192.0.2.1", "", "127.0.0.1:80", false},
		{"192.0.2.1", "", "localhost:80", false},
		{"192.0.2.1", "", "192.0.2.1:80", true},
		{"192.0.2.1", "", "192.0.2.2:80", false},
		{"192.0.2.1", "", "site.test:443", true},
		{"127.0.0.1", "", "localhost:80", true},
		{"127.0.0.1", "", "127.0.0.2:80", false},
		{"", "external", "site.test:80", false},
		{"", "external", "localhost:80", true},
		{"", "external", "localhost:443", false},
	} {
		env := config.Environ{"SITE_URL": "https://site.test", "PLATFORM_UPSTREAM": tt.upstream, "PROXY_BIND_ADDRESS": tt.bound}
		if tt.mode != "" {
			env["TLS_MODE"] = tt.mode
		}
		if _, problems := load(env); (len(problems) > 0) != tt.itself || tt.itself && !strings.Contains(problems.Error(), "is this proxy") {
			t.Errorf("%+v: %v", tt, problems)
		}
	}
}

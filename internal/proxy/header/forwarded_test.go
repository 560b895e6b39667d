package header

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// passed returns what the reverse proxy finds as X-Forwarded-Host when a trusted peer sends
// it to the site with these names.
func passed(t *testing.T, names []string, host, said string) string {
	t.Helper()
	f := &Forwarded{Names: names}
	if err := f.Provision(caddy.Context{Context: t.Context()}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
	r.Host = host
	r.Header.Set(forwardedHost, said)
	caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true)
	err := f.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		said = r.Header.Get(forwardedHost)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return said
}

func TestATrustedPeerNamesTheSiteAndNothingElse(t *testing.T) {
	names := []string{"site.test", "::1"}
	for _, host := range []string{"site.test", "SITE.test:8443", "[::1]", "[::1]:443"} {
		for said, kept := range map[string]bool{
			"site.test": true, "Site.test:443": true, "[::1]": true, "[::1]:8443": true,
			"site.test:443, evil.test": false, "site.test:1@evil.test": false, "site.test:@evil.test/": false, "site.test/": false, "evil.test": false, "::1": false,
		} {
			want := ""
			if kept {
				want = said
			}
			if got := passed(t, names, host, said); got != want {
				t.Errorf("%q to %q became %q", said, host, got)
			}
		}
	}
	if got := passed(t, names, "10.1.2.3:80", "public.test"); got != "public.test" {
		t.Errorf("of a peer that asks by another name %q arrives", got)
	}
}

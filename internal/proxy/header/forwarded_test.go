package header

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// forwarded returns a handler of a site with some names, and its log.
func forwarded(t *testing.T, names ...string) (f *Forwarded, log *bytes.Buffer) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	f, log = &Forwarded{Names: names}, new(bytes.Buffer)
	if err := f.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	f.log = slog.New(slog.NewTextHandler(log, nil))
	return f, log
}

// passed returns what the reverse proxy finds as X-Forwarded-Host when a trusted peer sends it.
func passed(t *testing.T, f *Forwarded, host, said string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
	r.Host, r.RemoteAddr = host, "10.1.2.3:4567"
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
	f, _ := forwarded(t, "site.test", "::1")
	for _, host := range []string{"site.test", "SITE.test:8443", "[::1]", "[::1]:443"} {
		for said, kept := range map[string]bool{
			"site.test": true, "Site.test:443": true, "[::1]": true, "[::1]:8443": true,
			"site.test:443, evil.test": false, "site.test:1@evil.test": false, "site.test:@evil.test/": false, "site.test/": false, "evil.test": false, "::1": false,
		} {
			want := ""
			if kept {
				want = said
			}
			if got := passed(t, f, host, said); got != want {
				t.Errorf("%q to %q became %q", said, host, got)
			}
		}
	}
	if got := passed(t, f, "10.1.2.3:80", "public.test"); got != "public.test" {
		t.Errorf("of a peer that asks by another name %q arrives", got)
	}
}

func TestAHostThatIsIgnoredIsToldOfOnce(t *testing.T) {
	f, log := forwarded(t, "site.test")
	passed(t, f, "site.test", "site.test:443")
	passed(t, f, "customer.example", "customer.example")
	if log.Len() > 0 {
		t.Errorf("of a host that is believed the log says %s", log)
	}
	for range 3 {
		passed(t, f, "site.test", "customer.example")
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, "X-Forwarded-Host ignored") || !strings.Contains(text, "value=customer.example host=site.test proxy=10.1.2.3") {
		t.Errorf("the log says %s", text)
	}
}

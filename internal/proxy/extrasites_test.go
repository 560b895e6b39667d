package proxy

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const docsName = "docs.site.test"

const docs = routes.Upstream(docsName)

// docsService returns a documentation site: its health where it is probed, and an echo.
func docsService(t *testing.T) (address string) {
	t.Helper()
	return echo(t, docsName, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(strings.Repeat("words ", 500)))
	})
}

func onDocs(more ...string) http.Header {
	header := http.Header{"Host": {docsName}}
	for i := 0; i+1 < len(more); i += 2 {
		header.Set(more[i], more[i+1])
	}
	return header
}

// closedOnMain are requests that the main site keeps to itself or turns away.
var closedOnMain = []string{
	"/metrics", "/convex-dashboard/data", "/ws_api/version", "/ws_api/api/query", "/http_api/metrics", "/api/1.35.1/sync",
	"/api/list_environment_variables", "/api/run_test_function", "/api/storage/x", "/convex-light.svg", "/data?component=x", "/api/health", "/",
}

// TestAnExtraSiteIsAllOfOneService asks on both names, in each way in which the main
// site can lie.
func TestAnExtraSiteIsAllOfOneService(t *testing.T) {
	for name, env := range map[string]config.Environ{
		"with TLS":           {},
		"behind TLS":         {"TLS_MODE": "external"},
		"main under a path":  {"BASE_PATH": "/tale"},
		"dashboard for some": {"DASHBOARD_ALLOW": "192.0.2.7"},
	} {
		t.Run(name, func(t *testing.T) {
			env["EXTRA_SITES"] = docsName + "=" + docsService(t)
			p := start(t, env)
			for _, target := range closedOnMain {
				for _, key := range []string{"", adminKey} {
					got := echoed(t, p.get(target, onDocs("Authorization", key)))
					if routes.Upstream(got.On) != docs || got.URI != target || got.Host != docsName || got.Header.Get("X-Forwarded-Prefix") != "" {
						t.Errorf("%s on %s: %+v", target, docsName, got)
					}
				}
			}
			if body := text(t, p.get("/health", onDocs())); body != "OK" {
				t.Errorf("/health: %q", body)
			}
			if got := echoed(t, p.get(env["BASE_PATH"]+"/x", nil)); routes.Upstream(got.On) != routes.Platform {
				t.Errorf("the main site: %+v", got)
			}
		})
	}
}

func TestAnExtraSiteIsServedAsTheMainOne(t *testing.T) {
	p := start(t, config.Environ{"EXTRA_SITES": docsName + "=" + docsService(t), "MAX_BODY": "1KB"})
	page := p.get("/page", onDocs("X-Do", "page", "Accept-Encoding", "gzip"))
	for name, want := range map[string]string{"Content-Encoding": "gzip", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Server": "", "Via": ""} {
		if got := page.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if page.Header.Get("X-Request-Id") == "" {
		t.Error("the answer has no id")
	}
	if got := p.send("POST", "/form", onDocs(), strings.NewReader(strings.Repeat("b", 2000))); got.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: %d", got.StatusCode)
	}
	if got := p.raw("GET /a%00b HTTP/1.1\nHost: " + docsName + "\n\n"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("a path that servers read in different ways: %d", got.StatusCode)
	}
	got := echoed(t, p.get("/", onDocs("X-Forwarded-For", "203.0.113.9", "Remote-User", "root")))
	if got.Header.Get("X-Real-Ip") != "127.0.0.1" || got.Header.Get("Remote-User") != "" || got.Header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("it was told %v", got.Header)
	}
	if socket := p.raw("GET /socket HTTP/1.1\nHost: " + docsName + "\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n"); socket.StatusCode == http.StatusSwitchingProtocols {
		t.Error("a socket was opened")
	}
	for _, host := range []string{"other.site.test", "x." + docsName} {
		if got := p.get("/", http.Header{"Host": {host}}); got.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", host, got.StatusCode)
		}
	}
	testkit.Eventually(t, "its requests are counted under its name", func() bool {
		return strings.Contains(text(t, p.onHealthPort("/metrics")), `tale_proxy_request_duration_seconds_count{code="2xx",upstream="`+docsName+`"}`)
	})
}

// TestEachNameHasItsOwnCertificate runs the real command: ready means ready for both
// names.
func TestEachNameHasItsOwnCertificate(t *testing.T) {
	t.Parallel()
	env := environ(t, config.Environ{"EXTRA_SITES": docsName + "=" + docsService(t)})
	p := spawnReady(t, env)
	for _, name := range []string{siteName, docsName} {
		conn := p.dial(&tls.Config{RootCAs: p.roots, ServerName: name}).(*tls.Conn)
		if names := conn.ConnectionState().PeerCertificates[0].DNSNames; len(names) != 1 || names[0] != name {
			t.Errorf("for %s there is a certificate for %v", name, names)
		}
	}
	for host, want := range map[string]string{docsName: docsName, "other.test": siteName} {
		response := p.raw80("GET /a?b HTTP/1.1\nHost: " + host + "\n\n")
		if got := response.Header.Get("Location"); response.StatusCode != http.StatusPermanentRedirect || got != "https://"+want+"/a?b" {
			t.Errorf("plain http on %s: %d to %q", host, response.StatusCode, got)
		}
	}
	p.get("/logged", onDocs())
	p.Expect(`host=` + docsName)
	check := spawn(t, env, "healthcheck")
	if code := check.Wait(); code != 0 {
		t.Errorf("healthcheck: exit code %d", code)
	}
	table := spawn(t, env, "routes")
	if code := table.Wait(); code != 0 || !table.Says(docsName+"/*") || !table.Says("probed at /api/health") {
		t.Errorf("routes: exit code %d", code)
	}
}

// raw80 sends as raw does, on the port for plain HTTP.
func (p *running) raw80(request string) *http.Response {
	p.Helper()
	plain := *p
	settings := *p.settings
	settings.TLSMode, plain.settings = "external", &settings
	return plain.raw(request)
}

func TestAnExtraSiteThatIsAway(t *testing.T) {
	const home = `href="/"`
	for _, base := range []string{"", "/tale"} {
		t.Run("main at "+base, func(t *testing.T) {
			p := start(t, config.Environ{"EXTRA_SITES": docsName + "=" + nobody(t) + "/up", "BASE_PATH": base})
			page := p.send("POST", "/x", onDocs("Accept", "text/html"), nil) // which the page cannot repeat: it leads home
			if body := text(t, page); page.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, home) {
				t.Errorf("%d %.2000s", page.StatusCode, body)
			}
			if got := p.get(base+"/", nil); got.StatusCode != http.StatusOK {
				t.Errorf("the main site: %d", got.StatusCode)
			}
			found := readDeep(t, p.onHealthPort("/health?deep"))
			if found.Available || len(found.Upstreams) != 3 {
				t.Errorf("health: %+v", found)
			}
		})
	}
}

// TestCertificatesOfExtraSitesFromAnAuthority has one of each name, by ACME.
func TestCertificatesOfExtraSitesFromAnAuthority(t *testing.T) {
	t.Parallel()
	env := environ(t, config.Environ{"EXTRA_SITES": docsName + "=" + docsService(t)})
	a := startAuthority(t, env, false)
	for variable, value := range a.env {
		env[variable] = value
	}
	a.dns.Set(siteName, "127.0.0.1")
	a.dns.Set(docsName, "127.0.0.1")
	p := spawn(t, env, "run")
	p.Expect("proxy ready")
	for _, name := range []string{siteName, docsName} {
		if got := p.awaitCertificateFor(name, a.roots, 75*time.Second).DNSNames; len(got) != 1 || got[0] != name {
			t.Errorf("for %s there is one for %v", name, got)
		}
	}
	p.client = p.newClient()
	p.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: a.roots}
	page, err := p.client.Get("https://" + docsName + ":" + strconv.Itoa(p.settings.HTTPSPort) + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = page.Body.Close() }()
	if got := page.Header.Get("Strict-Transport-Security"); got == "" || routes.Upstream(echoed(t, page).On) != docs {
		t.Errorf("the page: %d %v", page.StatusCode, page.Header)
	}
}

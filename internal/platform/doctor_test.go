package platform

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// newSite returns a proxy in front of a simulator, with the routes that the doctor
// looks at.
func newSite(t *testing.T, backend string) string {
	t.Helper()
	target, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"available":true,"upstreams":[]}`))
	})
	mux.Handle("/ws_api/", http.StripPrefix("/ws_api", forward))
	mux.Handle("/api/storage/", forward)
	mux.HandleFunc("/http_api/", func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = "/http" + strings.TrimPrefix(r.URL.Path, "/http_api")
		forward.ServeHTTP(w, r)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func examine(t *testing.T, environ map[string]string, code int) map[string]doctor.Finding {
	t.Helper()
	c := start(t, environ, "doctor", "--json")
	if got := c.Wait(); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	var findings []doctor.Finding
	// The document comes first; a last line may say that a check failed.
	if err := json.NewDecoder(strings.NewReader(c.Output.String())).Decode(&findings); err != nil {
		t.Fatalf("%v in\n%s", err, c.Output.String())
	}
	byName := map[string]doctor.Finding{}
	for _, f := range findings {
		byName[f.Name] = f
	}
	return byName
}

func TestDoctorOfAHealthySite(t *testing.T) {
	sim := newSim(t)
	e := environ(t, sim.URL(), "SITE_URL="+newSite(t, sim.URL()), "TLS_MODE=external")
	if code := start(t, e, "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	findings := examine(t, e, 0)
	for _, name := range []string{backendName, backendAnswers, backendIsOurs, keyAccepted, "variables", functionsRun, "clock",
		"name of SITE_URL", "proxy health", "upstreams", "sync socket", "HTTP actions", "storage", "run folder"} {
		if f := findings[name]; f.Verdict != doctor.OK {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Each fault is one failure with its own fix; what could only repeat it is
// skipped.
func TestDoctorNamesWhatIsBroken(t *testing.T) {
	sim := newSim(t)
	site := newSite(t, sim.URL())
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	tests := map[string]struct {
		backend, site string
		change        string
		failed        string
		detail, fix   string
		skipped       []string
	}{
		"backend down": {backend: "http://" + testkit.FreeAddress(t), site: site, failed: backendAnswers, detail: "refused", fix: "convex-entrypoint status",
			skipped: []string{backendIsOurs, keyAccepted, "variables", "clock", "sync socket", "storage"}},
		"another service": {backend: elsewhere.URL, site: site, failed: backendAnswers, detail: "something answers there that is no Convex backend", fix: "let CONVEX_URL name the backend's own port",
			skipped: []string{backendIsOurs, "sync socket"}},
		"another instance": {backend: sim.URL(), site: site, change: "INSTANCE_NAME=other", failed: backendIsOurs, detail: testInstance, fix: "INSTANCE_NAME",
			skipped: []string{keyAccepted, "variables"}},
		"another secret": {backend: sim.URL(), site: site, change: "INSTANCE_SECRET=" + strings.Repeat("e", 64), failed: keyAccepted, detail: "BadAdminKey", fix: "fingerprint",
			skipped: []string{"variables"}},
		"not pushed": {backend: sim.URL(), site: site, change: "DEBUG_MODE=1", failed: "variables", detail: "DEBUG_MODE", fix: "sync"},
		"proxy down": {backend: sim.URL(), site: "http://" + testkit.FreeAddress(t), failed: "proxy health", detail: "refused", fix: "is the proxy up",
			skipped: []string{"upstreams", "certificate", "sync socket", "HTTP actions", "storage", "auth discovery"}},
		"HOST elsewhere": {backend: sim.URL(), site: elsewhere.URL, failed: "proxy health", detail: "answered 404", fix: "somewhere else",
			skipped: []string{"certificate", "sync socket"}},
		"no such name": {backend: sim.URL(), site: "https://tale.invalid", failed: "name of SITE_URL", detail: "cannot resolve tale.invalid", fix: "alias HOST",
			skipped: []string{"proxy health", "certificate", "sync socket"}},
	}
	if code := start(t, environ(t, sim.URL(), "SITE_URL="+site, "TLS_MODE=external"), "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := examine(t, environ(t, tt.backend, "SITE_URL="+tt.site, "TLS_MODE=external", tt.change), 1)
			if f := findings[tt.failed]; f.Verdict != doctor.Fail || !strings.Contains(f.Detail, tt.detail) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("%+v", f)
			}
			for _, name := range tt.skipped {
				if f := findings[name]; f.Verdict != doctor.Skip || !strings.Contains(f.Detail, tt.failed) {
					t.Errorf("%s: %+v", name, f)
				}
			}
		})
	}
}

// The site of the test's proxy is reached by two names, with the port of SITE_URL.
func TestDoctorLooksAtExtraSites(t *testing.T) {
	sim := newSim(t)
	site := newSite(t, sim.URL())
	well := environ(t, sim.URL(), "SITE_URL="+site, "TLS_MODE=external", "EXTRA_SITES=localhost=docs:3002")
	if code := start(t, well, "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	findings := examine(t, well, 0)
	for name, verdict := range map[string]doctor.Verdict{"name of localhost": doctor.OK, "localhost": doctor.OK, "certificate of localhost": doctor.Skip} {
		if f := findings[name]; f.Verdict != verdict {
			t.Errorf("%s: %+v", name, f)
		}
	}
	broken := environ(t, sim.URL(), "SITE_URL="+site, "TLS_MODE=external", "EXTRA_SITES=docs.invalid=docs:3002")
	if f := examine(t, broken, 1)["name of docs.invalid"]; f.Verdict != doctor.Fail || !strings.Contains(f.Fix, "alias") {
		t.Errorf("%+v", f)
	}
}

// Files are at the backend's own origin, which others may not reach.
func TestDoctorSaysWhereFilesAre(t *testing.T) {
	const hint = "set CONVEX_CLOUD_ORIGIN="
	for name, tt := range map[string]struct {
		origins *convexsim.Origins
		site    string
		hints   bool
	}{
		"default, public site": {nil, "https://tale.example", true},
		"default, local site":  {nil, "https://localhost", false},
		"public, public site":  {&convexsim.Origins{Cloud: "https://tale.example", Site: "https://tale.example/http_api"}, "https://tale.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			sim := simtest.Start(t, convexsim.Options{InstanceName: testInstance, InstanceSecret: testSecret, Origins: tt.origins})
			s, err := openSession(environ(t, sim.URL(), "SITE_URL="+tt.site))
			if err != nil {
				t.Fatal(err)
			}
			detail, err := s.checkOrigin(t.Context())
			if err != nil || strings.Contains(detail, hint) != tt.hints || tt.origins == nil && !strings.Contains(detail, sim.URL()) {
				t.Errorf("%q, %v", detail, err)
			}
		})
	}
}

// Whether the functions verify sessions is known of a push request alone.
func TestWithoutLogin(t *testing.T) {
	with := pushtest.NewRequest()
	without := with.With(func(r *pushtest.Request) { r.AppDefinition.ChangedModules = r.AppDefinition.ChangedModules[:2] })
	for name, tt := range map[string]struct {
		file string
		want bool
	}{
		"a login":    {with.Write(t), false},
		"none":       {without.Write(t), true},
		"no request": {filepath.Join(t.TempDir(), "none.json"), false},
	} {
		if got := withoutLogin(tt.file); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

package platform

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cgroup"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/httpclient/hostile"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// newSite is a proxy in front of a simulator, with the routes that the doctor
// looks at.
func newSite(t *testing.T, backend string) string {
	t.Helper()
	return newSiteBehind(t, backend, httptest.NewServer).URL
}

func newSiteBehind(t *testing.T, backend string, serve func(http.Handler) *httptest.Server) *httptest.Server {
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
	server := serve(mux)
	t.Cleanup(server.Close)
	return server
}

func TestChecksOfTheSiteEndWhateverItAnswers(t *testing.T) {
	for i, check := range newSiteVisitor("http://site.invalid", "", "").checks() {
		if check.Name == "name of SITE_URL" {
			continue
		}
		t.Run(check.Name, func(t *testing.T) {
			hostile.Try(t, 3*mostSiteBody, func(ctx context.Context, url string) {
				_, _ = newSiteVisitor(url, "", "").checks()[i].Run(ctx)
			})
		})
	}
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
	e := environ(t, sim.URL(), "SITE_URL="+newSite(t, sim.URL()))
	if code := start(t, e, "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	findings := examine(t, e, 0)
	for _, name := range []string{backendName, backendAnswers, backendIsOurs, keyAccepted, "variables", "clock",
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
	if code := start(t, environ(t, sim.URL(), "SITE_URL="+site), "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings := examine(t, environ(t, tt.backend, "SITE_URL="+tt.site, tt.change), 1)
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

func TestDoctorOfUpstreamsAndCertificates(t *testing.T) {
	server := newSiteBehind(t, "http://127.0.0.1:9", func(_ http.Handler) *httptest.Server {
		return httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"available":false,"upstreams":[{"upstream":"platform:3000","available":false},{"upstream":"convex:3210","available":true}]}`))
		}))
	})
	otherName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	tests := map[string]struct {
		site, mode string
		verdict    doctor.Verdict
		detail     string
	}{
		"the proxy's own":     {server.URL, "selfsigned", doctor.OK, "own authority"},
		"nobody knows it":     {server.URL, "letsencrypt", doctor.Warn, "unknown authority"},
		"mode not known here": {server.URL, "", doctor.Warn, "unknown authority"},
		"for another name":    {otherName, "selfsigned", doctor.Fail, "localhost"},
		"plain":               {"http://127.0.0.1", "external", doctor.Skip, "not https"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := newSiteVisitor(tt.site, "/", tt.mode)
			findings, _ := doctor.Examine(t.Context(), []doctor.Check{{Name: "certificate", Run: v.certificate}})
			if f := findings[0]; f.Verdict != tt.verdict || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("%+v", f)
			}
		})
	}
	v := newSiteVisitor(server.URL, "/", "selfsigned")
	if _, err := v.proxyHealth(t.Context()); err != nil {
		t.Errorf("it is our proxy although an upstream is away: %v", err)
	}
	if _, err := v.upstreams(t.Context()); err == nil || !strings.Contains(err.Error(), "platform:3000 and") || strings.Contains(err.Error(), "convex") {
		t.Errorf("upstreams: %v", err)
	}
}

// What an app does not have need not be a fault.
func TestDoctorOfAuthDiscovery(t *testing.T) {
	for name, tt := range map[string]struct {
		status  int
		body    string
		verdict doctor.Verdict
		detail  string
	}{
		"served":         {http.StatusOK, `{"issuer":"https://tale.example"}`, doctor.OK, "names the issuer https://tale.example"},
		"no such route":  {http.StatusNotFound, "", doctor.Warn, "which only an app with its own login needs"},
		"the app's page": {http.StatusOK, "<html>", doctor.Warn, "which only an app with its own login needs"},
		"app away":       {http.StatusBadGateway, "", doctor.Warn, "cannot tell"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			t.Cleanup(server.Close)
			v := newSiteVisitor(server.URL, "/", "external")
			findings, _ := doctor.Examine(t.Context(), []doctor.Check{{Name: "auth discovery", Run: v.discovery}})
			if f := findings[0]; f.Verdict != tt.verdict || !strings.Contains(f.Detail, tt.detail) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestDoctorOfTheHost(t *testing.T) {
	folder := t.TempDir()
	for name, tt := range map[string]struct {
		limit   string
		verdict doctor.Verdict
	}{"none": {"max", doctor.OK}, "little": {"268435456", doctor.Warn}, "enough": {"4294967296", doctor.OK}} {
		if err := os.WriteFile(filepath.Join(folder, "memory.max"), []byte(tt.limit+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		findings, _ := doctor.Examine(t.Context(), []doctor.Check{{Name: name, Run: func(context.Context) (string, error) { return checkMemory(cgroup.Memory{Root: folder}) }}})
		if findings[0].Verdict != tt.verdict {
			t.Errorf("%+v", findings[0])
		}
	}
	for free, want := range map[int64]doctor.Verdict{100 << 20: doctor.Fail, 1 << 30: doctor.Warn, 5 << 30: doctor.OK} {
		findings, _ := doctor.Examine(t.Context(), []doctor.Check{{Name: "disk", Run: func(context.Context) (string, error) { return judgeDisk(free) }}})
		if findings[0].Verdict != want {
			t.Errorf("%d bytes free: %+v", free, findings[0])
		}
	}
	if _, err := checkDisk(filepath.Join(folder, "none")); err == nil {
		t.Error("a folder that is not there has free space")
	}
}

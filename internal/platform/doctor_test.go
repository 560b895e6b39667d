package platform

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/doctor"
)

// newSite is a proxy in front of a simulator, with the routes that the doctor
// looks at.
func newSite(t *testing.T, backend string) string {
	t.Helper()
	target, err := url.Parse(backend)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("OK")) })
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
	if got := c.waitExit(); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	var findings []doctor.Finding
	// The document comes first; a last line may say that a check failed.
	if err := json.NewDecoder(strings.NewReader(c.output.String())).Decode(&findings); err != nil {
		t.Fatalf("%v in\n%s", err, c.output.String())
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
	if code := start(t, e, "push").waitExit(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	findings := examine(t, e, 0)
	for _, name := range []string{"name of CONVEX_URL", "backend instance", "admin key", "variables", "name of SITE_URL", "proxy health", "sync socket", "HTTP actions", "storage", "run folder"} {
		if f := findings[name]; f.Verdict != doctor.OK {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestDoctorNamesWhatIsBroken(t *testing.T) {
	sim := newSim(t)
	findings := examine(t, environ(t, sim.URL(), "SITE_URL=http://"+freeAddr(t), "INSTANCE_SECRET="+strings.Repeat("e", 64)), 1)
	for _, name := range []string{"admin key", "variables", "proxy health", "sync socket", "HTTP actions", "storage"} {
		if f := findings[name]; f.Verdict != doctor.Fail || f.Fix == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if !strings.Contains(findings["proxy health"].Detail, "refused") || !strings.Contains(findings["admin key"].Detail, "BadAdminKey") {
		t.Errorf("details: %+v", findings)
	}
}

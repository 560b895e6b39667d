package platform

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestDoctorOfTheBackendsMemory(t *testing.T) {
	const name = "memory of the backend"
	sim := newSim(t)
	site := "SITE_URL=" + newSite(t, sim.URL())
	if code := start(t, environ(t, sim.URL(), "TLS_MODE=external", site), "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	for of, tt := range map[string]struct {
		service string
		memory  *status.Memory
		verdict doctor.Verdict
		detail  string
	}{
		"enough":          {"convex", &status.Memory{Limit: 2 << 30, Function: 384 << 20}, doctor.OK, "2048 MiB; a function may take 384 MiB"},
		"no limit":        {"convex", &status.Memory{Function: 384 << 20}, doctor.OK, "no limit"},
		"little":          {"convex", &status.Memory{Limit: 768 << 20, Function: 384 << 20}, doctor.Warn, "768 MiB; a function may take 384 MiB, and the backend about 512 MiB"},
		"killed":          {"convex", &status.Memory{Limit: 2 << 30, Function: 384 << 20, Kills: 3}, doctor.Warn, "counts 3 out-of-memory kills"},
		"no cgroup":       {"convex", nil, doctor.Skip, "does not tell"},
		"another service": {"platform", &status.Memory{Limit: 2 << 30}, doctor.Skip, "does not tell"},
	} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			convex := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(status.Document{Document: report.Document{Service: tt.service}, Live: status.Live{Memory: tt.memory}})
			}))
			t.Cleanup(convex.Close)
			f := examine(t, environ(t, sim.URL(), "TLS_MODE=external", site, "STATUS_ADDR="+convex.Listener.Addr().String()), 0)[name]
			if f.Verdict != tt.verdict || !strings.Contains(f.Detail, tt.detail) || (f.Fix != "") != (tt.verdict == doctor.Warn) {
				t.Errorf("%+v", f)
			}
		})
	}
	for of, address := range map[string]string{"refused": testkit.FreeAddress(t), "names no port": ""} {
		if f := examine(t, environ(t, sim.URL(), "TLS_MODE=external", site, "STATUS_ADDR="+address), 0)[name]; f.Verdict != doctor.Skip || !strings.Contains(f.Detail, of) {
			t.Errorf("%+v", f)
		}
	}
}

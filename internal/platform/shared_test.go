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
	"github.com/tale-project/tale-runtime/internal/stack"
)

// A setting of one container alone is told by the boot, before anybody wonders, and by doctor.
func TestSettingsThatDifferFromThoseOfConvex(t *testing.T) {
	sim := newSim(t)
	site := newSite(t, sim.URL())
	url := stack.Site{SiteURL: site}.Address().URL()
	for name, tt := range map[string]struct {
		shared  stack.Shared
		verdict doctor.Verdict
		detail  string
	}{
		"equal":          {stack.Shared{"SITE_URL": url, "TLS_MODE": "external", "CONVEX_STORAGE": "sqlite"}, doctor.OK, "convex has the same"},
		"storage":        {stack.Shared{"SITE_URL": url, "TLS_MODE": "external", "CONVEX_STORAGE": "postgres"}, doctor.Fail, `CONVEX_STORAGE is "sqlite" here and "postgres" in convex`},
		"two":            {stack.Shared{"SITE_URL": "https://other.test", "TLS_MODE": "selfsigned"}, doctor.Fail, `"https://other.test" in convex; TLS_MODE is "external" here`},
		"an older image": {nil, doctor.Skip, "does not tell the settings of convex"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			convex := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(status.Document{Document: report.Document{Service: "convex"}, Live: status.Live{Shared: tt.shared}})
			}))
			t.Cleanup(convex.Close)
			e := environ(t, sim.URL(), "TLS_MODE=external", "CONVEX_STORAGE=sqlite", "SITE_URL="+site, "STATUS_ADDR="+convex.Listener.Addr().String())
			push := start(t, e, "push")
			if code := push.Wait(); code != 0 {
				t.Fatalf("push: exit code %d", code)
			}
			if differs := tt.verdict == doctor.Fail; push.Says("WARN  settings that platform and convex share are not equal") != differs {
				t.Errorf("the log of the boot is wrong")
			}
			code := 0
			if tt.verdict == doctor.Fail {
				code = 1
			}
			if f := examine(t, e, code)["settings of convex"]; f.Verdict != tt.verdict || !strings.Contains(f.Detail, tt.detail) || (f.Fix != "") != (code == 1) {
				t.Errorf("%+v", f)
			}
		})
	}
}

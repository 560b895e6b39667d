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
	const siteURL = "SITE_URL with BASE_PATH"
	url := stack.Site{SiteURL: site}.Address().URL()
	for name, tt := range map[string]struct {
		shared  stack.Shared
		verdict doctor.Verdict
		detail  string
	}{
		"equal":          {stack.Shared{siteURL: url, "CONVEX_STORAGE": "sqlite"}, doctor.OK, "convex has the same"},
		"storage":        {stack.Shared{siteURL: url, "CONVEX_STORAGE": "postgres"}, doctor.Warn, `CONVEX_STORAGE is "sqlite" here and "postgres" in convex`},
		"two":            {stack.Shared{siteURL: "https://other.test/", "CONVEX_STORAGE": "postgres"}, doctor.Warn, `CONVEX_STORAGE is "sqlite" here and "postgres" in convex; SITE_URL with BASE_PATH is "` + url + `" here and "https://other.test/" in convex`},
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
			if differs := tt.verdict == doctor.Warn; push.Says("WARN  settings that platform and convex share are not equal") != differs {
				t.Errorf("the log of the boot is wrong")
			}
			if f := examine(t, e, 0)["settings of convex"]; f.Verdict != tt.verdict || !strings.Contains(f.Detail, tt.detail) || (f.Fix != "") != (tt.verdict == doctor.Warn) {
				t.Errorf("%+v", f)
			}
		})
	}
}

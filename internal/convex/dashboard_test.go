package convex

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/status"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// The dashboard may die as it likes: the backend goes on, and its last words
// are shown although its output is off.
func TestADyingDashboardDoesNotMatter(t *testing.T) {
	s := newService(t, "CONVEX_DASHBOARD_COMMAND", "sh -c 'echo Cannot find module next; exit 1'").start()
	s.untilReady()
	s.Until("it has died twice", func() bool { return strings.Count(s.Output.String(), "the dashboard ended") >= 2 })
	if !s.ready() || !s.Says("dashboard | Cannot find module next") {
		t.Error("not ready, or its last words are not shown")
	}
	if code := s.Stop(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestAMissingDashboardDoesNotMatter(t *testing.T) {
	s := newService(t, "CONVEX_DASHBOARD_COMMAND", "/no/such/node server.js").start()
	s.untilReady()
	s.Until("it says so", func() bool { return s.Says("/no/such/node") })
	if code := s.Stop(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestStatusPort(t *testing.T) {
	address := "127.0.0.1:" + testkit.FreePort(t)
	s := newService(t, "STATUS_ADDR", address).start()
	s.untilReady()
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/startupz": 200, "/status": 200, "/metrics": 200, "/other": 404} {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	// What this machine cannot tell, the status leaves out.
	_, known := cgroup.Here().Limit()
	if document, err := (status.Source{Addr: address}).Fetch(t.Context()); err != nil || (document.Memory != nil) != known {
		t.Errorf("memory %+v, known %t, %v", document.Memory, known, err)
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"healthcheck"}} {
		asked := &service{t: t, dir: s.dir, environ: s.environ}
		if code := asked.start(args...).WaitWithin(10 * time.Second); code != 0 || !asked.Says("ready") {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}

package convex

import (
	"strings"
	"testing"
	"time"
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

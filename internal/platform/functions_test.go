package platform

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// What serves is not started before its functions are there, and asks with reads only.
func TestServeWaitsForItsFunctions(t *testing.T) {
	sim := newSim(t)
	release := environ(t, sim.URL())
	other := environ(t, sim.URL(), "CONVEX_PUSH_REQUEST="+writeRequest(t, "export const other = 1;"))
	c := start(t, release, "serve")
	waits := func(why string) {
		t.Helper()
		c.Until("it waits: "+why, func() bool { return c.running(stageFunctions, "") && c.Says(why) })
		if code := c.get("http://" + c.addr + "/startupz"); code != http.StatusServiceUnavailable {
			t.Errorf("/startupz answers %d", code)
		}
	}
	waits("nothing was ever pushed")
	for _, r := range sim.Requests() {
		if r.Method != http.MethodGet && !slices.Contains([]string{"/api/query", "/api/get_config_hashes"}, r.Path) {
			t.Errorf("it makes the request %s %s", r.Method, r.Path)
		}
	}
	if code := start(t, other, "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	waits("the last push was of another release")
	if code := start(t, release, "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	c.untilReady()
	if code := c.get("http://" + c.addr + "/startupz"); code != http.StatusOK {
		t.Errorf("/startupz answers %d", code)
	}
	// What is started stays so while another release is pushed.
	if code := start(t, other, "push").Wait(); code != 0 || !c.ready() {
		t.Errorf("push: exit code %d, ready %t", code, c.ready())
	}
	c.Signal(syscall.SIGTERM)
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A refused push leaves what serves waiting, until its limit.
func TestServeGivesUpWithoutItsFunctions(t *testing.T) {
	sim := newSim(t, fault.Fault{Stage: fault.StageFinishPush, Status: http.StatusBadRequest, Code: "InvalidModules"})
	e := environ(t, sim.URL(), "CONVEX_DEPLOY_TIMEOUT=1", "CONVEX_DEPLOY_MAX=1", "CONVEX_DEPLOY_ATTEMPTS=1")
	if code := start(t, e, "push").Wait(); code != exit.DeployRefused {
		t.Fatalf("push: exit code %d", code)
	}
	c := start(t, e, "serve")
	if code := c.Wait(); code != exit.Unavailable {
		t.Errorf("exit code %d", code)
	}
	if !c.Says("does not have the functions of this release") || !c.Says("CONVEX_DEPLOY_MAX") || !c.Says(place.Here().PushAgain()) {
		t.Error("it does not say what it has waited for, and what to do")
	}
}

// A push that is done is not made again for a release that comes back, which is not seen from outside.
func TestAWaitForAPushSaysHowToPushAgain(t *testing.T) {
	if fix := pushWait(time.Minute).Fix; !strings.Contains(fix, place.Here().PushAgain()) || !strings.Contains(fix, place.Here().PushLog()) {
		t.Errorf("it says to %s", fix)
	}
}

// What serves uses the instance's secret alone: a database that is not set is none of its
// problems, and neither is one that is set wrongly.
func TestServeNeedsNoDatabase(t *testing.T) {
	e := environ(t, newSim(t).URL(), "CONVEX_STORAGE=postgres", "DB_PORT=tcp://10.96.0.7:5432")
	if code := start(t, e, "push").Wait(); code != exit.Config {
		t.Errorf("push: exit code %d", code)
	}
	e["CONVEX_STORAGE"], e["DB_PORT"] = "sqlite", ""
	if code := start(t, e, "push").Wait(); code != 0 {
		t.Fatalf("push: exit code %d", code)
	}
	e["CONVEX_STORAGE"], e["DB_PORT"] = "postgres", "tcp://10.96.0.7:5432"
	c := start(t, e, "serve")
	c.untilReady()
	c.Stop(10 * time.Second)
}

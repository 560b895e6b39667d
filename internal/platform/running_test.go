package platform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// What keeps functions from running is said by a boot that is ready all the same,
// and by the doctor.
func TestADeploymentThatRunsNoFunctions(t *testing.T) {
	for name, tt := range map[string]struct {
		path string // of the request that makes it so
		lose bool   // its packages, after the boot has looked
		says string
		fix  string
	}{
		"paused":        {path: "/api/v1/pause_deployment", says: "The deployment is paused", fix: "Pause Deployment"},
		"lost packages": {lose: true, says: "their packages are lost", fix: "CONVEX_FORCE_PUSH=true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := newSim(t)
			e := environ(t, sim.URL(), "SITE_URL="+newSite(t, sim.URL()), "TLS_MODE=external")
			if code := start(t, e, "push").Wait(); code != 0 {
				t.Fatalf("push: exit code %d", code)
			}
			if tt.path != "" {
				client := simtest.Client(t, sim)
				if _, err := client.Do(t.Context(), backend.Request{Method: "POST", Path: tt.path}); err != nil {
					t.Fatal(err)
				}
				c := start(t, e)
				c.untilReady()
				c.Until("the warning", func() bool { return c.Says("the deployment runs no functions") && c.Says(tt.says) })
				if !c.ready() {
					t.Error("it is not ready any more")
				}
			}
			if tt.lose {
				if err := os.RemoveAll(filepath.Join(sim.Options().Storage, "modules")); err != nil {
					t.Fatal(err)
				}
			}
			if f := examine(t, e, 0)[functionsRun]; f.Verdict != doctor.Warn || !strings.Contains(f.Detail, tt.says) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("doctor: %+v", f)
			}
		})
	}
}

// A boot that has nothing to push looks once for functions that run.
func TestABootWithNothingToPushAsksOnce(t *testing.T) {
	t.Parallel()
	sim := newSim(t)
	e := environ(t, sim.URL(), "TALE_LOG_LEVEL=debug")
	queries := func() (n int) {
		for _, r := range sim.Requests() {
			if r.Path == "/api/query" {
				n++
			}
		}
		return n
	}
	var asked [3]int // by a push, by one that is skipped, and by a boot
	for i := range 2 {
		before := queries()
		if code := start(t, e, "push").Wait(); code != 0 {
			t.Fatalf("push %d: exit code %d", i, code)
		}
		asked[i] = queries() - before
	}
	before := queries()
	c := start(t, e)
	c.Until("what runs", func() bool { return c.Says("the deployment runs functions") })
	if asked[2] = queries() - before; asked[2] != asked[1]+1 {
		t.Errorf("%d queries, and the state is one more than the %d of a skipped push", asked[2], asked[1])
	}
}

// A database without the volume of the same moment heals at the next boot.
func TestABootMakesUpForLostPackages(t *testing.T) {
	t.Parallel()
	sim := newSim(t)
	e := environ(t, sim.URL())
	for boot := range 3 {
		if code := start(t, e, "push").Wait(); code != 0 {
			t.Fatalf("push %d: exit code %d", boot, code)
		}
		if got := sim.State().Pushes; got != min(boot+1, 2) {
			t.Errorf("%d pushes after boot %d", got, boot)
		}
		if boot > 0 {
			continue
		}
		if err := os.RemoveAll(filepath.Join(sim.Options().Storage, "modules")); err != nil {
			t.Fatal(err)
		}
	}
}

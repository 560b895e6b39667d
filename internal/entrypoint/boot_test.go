package entrypoint_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func (c *container) report(name string) (d report.Document) {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.runDir, name))
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return d
}

func TestBootOfAService(t *testing.T) {
	c := newContainer(t).start(nil)
	c.Until("ready", func() bool { return c.has("fake-ready") && c.Says("fake is ready") })
	c.Signal(syscall.SIGTERM)
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, marker := range []string{"fake-ready", "fake-shutting-down"} {
		if c.has(marker) {
			t.Errorf("%s is still there", marker)
		}
	}
	d := c.report("fake-report.json")
	var stages []string
	for _, s := range d.Stages {
		stages = append(stages, s.Name+" "+string(s.State))
	}
	if got := strings.Join(stages, ", "); d.State != report.Done || got != "config done, look done, serve done" {
		t.Errorf("state %s, stages %s", d.State, got)
	}
	last := -1
	for _, text := range []string{"fake starts", "stage look done", "fake is ready", "stop requested", "fake is done"} {
		at := strings.Index(c.Output.String(), text)
		if at <= last || strings.Count(c.Output.String(), text) != 1 {
			t.Errorf("%q is not said once, or not at its place", text)
		}
		last = at
	}
}

func TestFailureOfAStage(t *testing.T) {
	c := newContainer(t, "FAIL=true").start(nil)
	if code := c.Wait(); code != exit.Unavailable {
		t.Errorf("exit code %d", code)
	}
	if !c.Says("FAILED at look") {
		t.Error("the log does not name the stage")
	}
	if n := strings.Count(c.Output.String(), "cannot look"); n != 1 {
		t.Errorf("the reason is logged %d times", n)
	}
	d := c.report("fake-report.json")
	if d.State != report.Failed {
		t.Errorf("state %s", d.State)
	}
	want := report.New(exit.Unavailable, "cannot look", "it is dark", "light a lamp")
	want.Stage, want.Changed = "look", []string{"nothing"}
	if diff := cmp.Diff(&want, d.Failure, cmpopts.IgnoreFields(report.Failure{}, "ElapsedMS")); diff != "" {
		t.Error(diff)
	}
}

// A disk that is full now may have room at the next start.
func TestFullRunFolder(t *testing.T) {
	testkit.RequireRoot(t)
	c := newContainer(t)
	c.start([]string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=64k,mode=777 none "$0" && ! head -c 1M /dev/zero >"$0/file" && exec "$@"`, c.runDir})
	if code := c.Wait(); code != exit.Unavailable || !c.Says("TALE_RUN_DIR: cannot write to "+c.runDir+": the disk is full") || c.Says("fails the same way") {
		t.Errorf("exit code %d", code)
	}
}

// A job that is stopped early has not done what it was asked for, and one
// beside its service leaves the service's files alone.
func TestJobBesideItsService(t *testing.T) {
	service := newContainer(t).start(nil)
	service.Until("ready", func() bool { return service.has("fake-ready") })
	job := newContainer(t, "TALE_RUN_DIR="+service.runDir).start(nil, "work")
	job.Until("it works", func() bool { return job.Says("stage look done") })
	job.Signal(syscall.SIGTERM)
	if code := job.Wait(); code != exit.SignalBase+int(syscall.SIGTERM) || !job.Says("fake work was stopped before it was done") {
		t.Errorf("exit code %d", code)
	}
	if d := service.report("fake-report.json"); d.State != report.Ready || !service.has("fake-ready") {
		t.Errorf("the service's report says %s", d.State)
	}
	if d := service.report("fake-work-report.json"); d.State != report.Done || d.Stages[2].State != report.Skipped {
		t.Errorf("the job's report: %+v", d)
	}
}

// A stop counts from the program's first moment. Without package stopsignal, Go's
// runtime would end PID 1 with code 2.
func TestStopBeforeAnythingHasBegun(t *testing.T) {
	testkit.RequireRoot(t)
	c := newContainer(t)
	fifo := filepath.Join(c.runDir, "env")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	c.start(testkit.PID1(t), "--env-file", fifo)
	// Opening returns once the entrypoint has opened the other end.
	write, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.Signal(syscall.SIGTERM)
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if code := c.Wait(); code != 0 || !c.Says("stop requested") || c.Says("stage look done") {
		t.Errorf("exit code %d", code)
	}
}

// A boot that failed for good can be asked for a while; its health check says why, in
// one line and at once, and a stop ends it with the code of the failure.
func TestAFailureIsHeld(t *testing.T) {
	for name, changes := range map[string][]string{
		"at a stage":  {"FAIL=true", "FAIL_CODE=65"},
		"of settings": {"FAIL=maybe"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, append(changes, "HOLD_AFTER_FAILURE=1h", "STATUS_ADDR="+testkit.FreeAddress(t))...).start(nil)
			c.Until("held", func() bool { return c.Says("the container stays up") })
			check := testkit.Start(t, c.command("healthcheck", "--wait=1h"))
			if code := check.Wait(); code != 1 || !strings.Contains(check.Output.String(), "not ready: FAILED at ") || !strings.Contains(check.Output.String(), "; fix: ") || strings.Count(check.Output.String(), "\n") != 1 {
				t.Errorf("exit code %d, %q", code, check.Output.String())
			}
			status := testkit.Start(t, c.command("status"))
			if code := status.Wait(); code != 0 || !strings.Contains(status.Output.String(), "fake 1  failed (FAILED at ") || strings.Contains(status.Output.String(), "not running") {
				t.Errorf("exit code %d, %s", code, status.Output.String())
			}
			c.Signal(syscall.SIGTERM)
			want := exit.Config
			if name == "at a stage" {
				want = exit.DeployRefused
			}
			if code := c.Wait(); code != want {
				t.Errorf("exit code %d, want %d", code, want)
			}
		})
	}
}

// What may pass ends at once, and so does a job, and whatever has no time to be held.
func TestWhatIsNotHeld(t *testing.T) {
	for name, tt := range map[string]struct {
		changes, args []string
	}{
		"may pass":   {[]string{"FAIL=true", "HOLD_AFTER_FAILURE=1h"}, nil},
		"a job":      {[]string{"FAIL=true", "FAIL_CODE=65", "HOLD_AFTER_FAILURE=1h"}, []string{"work"}},
		"by default": {[]string{"FAIL=true", "FAIL_CODE=65"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContainer(t, tt.changes...).start(nil, tt.args...)
			if c.Wait() == 0 || c.Says("stays up") {
				t.Error("held")
			}
		})
	}
}

// Two containers with one run folder would take each other's markers for their own.
func TestTwoContainersWithOneRunFolder(t *testing.T) {
	first := newContainer(t).start(nil)
	first.Until("ready", func() bool { return first.Says("fake is ready") })
	second := &container{t: t, runDir: first.runDir, environ: first.environ}
	second.start(nil)
	second.Until("warned", func() bool { return second.Says("another fake container uses the same run folder") })
	first.Signal(syscall.SIGTERM)
	first.Wait()
	third := &container{t: t, runDir: first.runDir, environ: first.environ}
	second.Signal(syscall.SIGTERM)
	second.Wait()
	third.start(nil)
	third.Until("ready", func() bool { return third.Says("fake is ready") })
	if first.Says("another fake") || third.Says("another fake") {
		t.Error("one alone is warned")
	}
}

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

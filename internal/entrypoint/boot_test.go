package entrypoint_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
	if code := c.Wait(); code != 0 || c.has("fake-ready") || c.has("fake-shutting-down") {
		t.Errorf("exit code %d, or a marker is still there", code)
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
	if code := c.Wait(); code != exit.Unavailable || !c.Says("FAILED at look") || strings.Count(c.Output.String(), "cannot look") != 1 {
		t.Errorf("exit code %d", code)
	}
	if d := c.report("fake-report.json"); d.State != report.Failed || d.Failure == nil || d.Failure.ExitCode != exit.Unavailable || !d.Failure.Retryable {
		t.Errorf("report %+v", d)
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

package supervise_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestCommandThatCannotStartIsNotTriedAgain(t *testing.T) {
	seen := &states{}
	service := supervise.Service{Process: shell(""), Critical: true, Restart: quickly(5), OnState: seen.add}
	service.Argv = []string{"/no/such/program"}
	if err := runServices(t, service).wait(t); exit.Code(err) != exit.NotFound {
		t.Errorf("got %v", err)
	}
	if got := seen.String(); got != "starting failed" {
		t.Errorf("states: %s", got)
	}
}

func TestKilledServiceIsBackSoonWithTheDefaultPause(t *testing.T) {
	seen := &states{}
	var ends []string
	service := supervise.Service{Process: helper(t, "signals", "15"), Critical: true, Restart: supervise.RestartPolicy{Budget: 3},
		OnState: seen.add, OnExit: func(status supervise.Status) { ends = append(ends, status.String()) }}
	service.Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	s := runServices(t, service)
	testkit.Eventually(t, "it is ready", func() bool { return strings.Contains(s.log.String(), "| ready") })
	first := s.Snapshot()[0].Pid
	began := time.Now()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "another process is there", func() bool {
		snap := s.Snapshot()[0]
		return snap.State == supervise.StateReady && snap.Pid != first
	})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it was back after %v", took)
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
	if got := seen.String(); !strings.HasPrefix(got, "starting running ready exited backoff starting running ready") {
		t.Errorf("states: %s", got)
	}
	if snap := s.Snapshot()[0]; snap.Restarts != 1 || len(ends) != 1 || !strings.HasPrefix(ends[0], "killed by SIGKILL (something outside") {
		t.Errorf("%d restarts, ends %q", snap.Restarts, ends)
	}
}

func TestStopDuringBackoffEndsAtOnce(t *testing.T) {
	seen := &states{}
	service := supervise.Service{Process: shell("exit 1"), Critical: true, OnState: seen.add,
		Restart: supervise.RestartPolicy{Budget: 3, Delay: forever, MaxDelay: forever}}
	s := runServices(t, service)
	testkit.Eventually(t, "it waits", func() bool { return strings.HasSuffix(seen.String(), "backoff") })
	s.stop()
	if err := s.wait(t); err != nil {
		t.Errorf("got %v", err)
	}
}

// A process that has to be replaced is stopped like any other, which counts against the
// budget; without one left it goes on.
func TestReplacedServiceIsStoppedGently(t *testing.T) {
	seen, replace := &states{}, make(chan error)
	service := supervise.Service{Process: helper(t, "signals", "2"), Critical: true, Restart: quickly(1), OnState: seen.add, Replace: replace,
		OnExit: func(supervise.Status) { t.Error("it counts as a crash") }}
	service.Stop = []supervise.StopStep{{syscall.SIGINT, forever}}
	s := runServices(t, service)
	testkit.Eventually(t, "it is ready", func() bool { return strings.Contains(s.log.String(), "| ready") })
	first := s.Snapshot()[0].Pid
	replace <- errors.New("it is ill")
	testkit.Eventually(t, "another process is there", func() bool {
		snap := s.Snapshot()[0]
		return snap.State == supervise.StateReady && snap.Pid != first && strings.Count(s.log.String(), "| ready") == 2
	})
	if log := s.log.String(); !strings.Contains(log, "| got 2") || !strings.Contains(log, "was stopped: it is ill") {
		t.Error(log)
	}
	second := s.Snapshot()[0].Pid
	replace <- errors.New("it is ill again")
	testkit.Eventually(t, "the refusal is said", func() bool { return strings.Contains(s.log.String(), "not restarted: the budget is used up") })
	if snap := s.Snapshot()[0]; snap.Pid != second || snap.State != supervise.StateReady {
		t.Errorf("%+v", snap)
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
	if got := seen.String(); !strings.HasPrefix(got, "starting running ready stopping backoff starting running ready") {
		t.Errorf("states: %s", got)
	}
}

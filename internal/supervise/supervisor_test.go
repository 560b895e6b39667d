package supervise_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// states records the states of a service.
type states struct {
	mu   sync.Mutex
	list []string
}

func (s *states) add(state supervise.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, state.String())
}

func (s *states) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.list, " ")
}

// supervised is a supervisor that runs in the background of a test.
type supervised struct {
	*supervise.Supervisor
	stop     context.CancelFunc
	escalate func()
	log      *testkit.Buffer
	err      error
	ended    chan struct{}
}

func runServices(t *testing.T, services ...supervise.Service) *supervised {
	t.Helper()
	log, out := logTo(t)
	ctx, escalate := supervise.WithEscalation(context.Background())
	ctx, stop := context.WithCancel(ctx)
	s := &supervised{Supervisor: supervise.New(log), stop: stop, escalate: escalate, log: out, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		s.err = s.Run(ctx, services...)
	}()
	t.Cleanup(func() {
		stop()
		for range 5 {
			escalate()
		}
		<-s.ended
	})
	return s
}

func (s *supervised) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-s.ended:
		return s.err
	case <-time.After(20 * time.Second):
		t.Fatal("the supervisor did not end")
		return nil
	}
}

func quickly(budget int) supervise.RestartPolicy {
	return supervise.RestartPolicy{Budget: budget, Delay: time.Millisecond, MaxDelay: 2 * time.Millisecond}
}

func TestRequestedStopIsNoFailure(t *testing.T) {
	seen := &states{}
	service := supervise.Service{Process: helper(t, "signals", "15"), Critical: true, OnState: seen.add}
	service.Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	s := runServices(t, service)
	testkit.Eventually(t, "it is ready", func() bool {
		return strings.HasSuffix(seen.String(), "ready") && strings.Contains(s.log.String(), "| ready")
	})
	s.stop()
	if err := s.wait(t); err != nil {
		t.Errorf("got %v", err)
	}
	if got := seen.String(); got != "starting running ready stopping stopped" {
		t.Errorf("states: %s", got)
	}
	if last := s.Snapshot()[0].LastExit; last != "exit code 42" {
		t.Errorf("last exit %q", last)
	}
}

func TestCriticalServiceEndsTheSupervisorWithItsCode(t *testing.T) {
	tests := map[string]struct {
		script string
		budget int
		code   int
		text   string
	}{
		"own code":            {"exit 3", 0, 3, "shell ended: exit code 3"},
		"unrequested success": {"exit 0", 0, exit.UnrequestedEnd, "shell ended: exit code 0"},
		"signal":              {"kill -SEGV $$", 0, 139, "killed by SIGSEGV"},
		"budget used up":      {"exit 9", 3, 9, "gave up after restart 3: shell ended: exit code 9"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			service := supervise.Service{Process: shell(tt.script), Critical: true, Restart: quickly(tt.budget)}
			err := runServices(t, service).wait(t)
			if exit.Code(err) != tt.code || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got code %d, %v", exit.Code(err), err)
			}
		})
	}
}

// Nothing was started, so nothing was started again.
func TestProgramThatIsNotThereIsTriedOnce(t *testing.T) {
	service := supervise.Service{Process: shell("true"), Critical: true, Restart: quickly(3)}
	service.Argv = []string{"no-such-program"}
	s := runServices(t, service)
	err := s.wait(t)
	if exit.Code(err) != exit.NotFound || !strings.HasPrefix(err.Error(), "cannot start shell: no-such-program: not found") {
		t.Errorf("code %d, %v", exit.Code(err), err)
	}
	if got := s.Snapshot()[0].Restarts; got != 0 || strings.Contains(s.log.String(), "restart") {
		t.Errorf("%d restarts, log %s", got, s.log.String())
	}
}

// A refusal is final before the first start, and uses up the budget afterwards.
func TestCheckBeforeEachStart(t *testing.T) {
	refusal := exit.Errorf(exit.Config, "not now")
	for name, tt := range map[string]struct {
		passes, budget, asked int
		text                  string
	}{
		"first start": {0, 3, 1, "cannot start shell: not now"},
		"restart":     {1, 3, 4, "gave up after restart 3: cannot start shell: not now"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			service := supervise.Service{Process: shell("exit 9"), Critical: true, Restart: quickly(tt.budget)}
			service.Check = func(context.Context) error {
				if asked++; asked > tt.passes {
					return refusal
				}
				return nil
			}
			err := runServices(t, service).wait(t)
			if exit.Code(err) != exit.Config || err.Error() != tt.text || asked != tt.asked {
				t.Errorf("asked %d times, code %d, %v", asked, exit.Code(err), err)
			}
		})
	}
}

func TestOthersAreStoppedWhenACriticalServiceFails(t *testing.T) {
	other := supervise.Service{Process: helper(t, "signals", "15")}
	other.Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	other.Name = "other"
	gate := filepath.Join(t.TempDir(), "go")
	critical := supervise.Service{Process: shell("until [ -e " + gate + " ]; do sleep 0.01; done; exit 5"), Critical: true}
	s := runServices(t, other, critical)
	testkit.Eventually(t, "the other is up", func() bool { return strings.Contains(s.log.String(), "other | ready") })
	touch(t, gate)
	if err := s.wait(t); exit.Code(err) != 5 {
		t.Errorf("got %v", err)
	}
	for _, snap := range s.Snapshot() {
		if snap.Name == "other" && (snap.State != supervise.StateStopped || snap.LastExit != "exit code 42") {
			t.Errorf("the other was not stopped in its own way: %+v", snap)
		}
	}
}

// The failure is what Run was ended by, also when the operator asks for a stop
// before the others have stopped.
func TestAStopRequestDoesNotHideAFailure(t *testing.T) {
	other := supervise.Service{Process: helper(t, "signals", "15")}
	other.Stop = []supervise.StopStep{{syscall.SIGINT, forever}, {syscall.SIGTERM, forever}}
	gate := filepath.Join(t.TempDir(), "go")
	critical := supervise.Service{Process: shell("until [ -e " + gate + " ]; do sleep 0.01; done; exit 7"), Critical: true}
	s := runServices(t, other, critical)
	testkit.Eventually(t, "the other is ready", func() bool { return strings.Contains(s.log.String(), "signals | ready") })
	touch(t, gate)
	testkit.Eventually(t, "the other is stopping", func() bool { return strings.Contains(s.log.String(), "signals | got 2") })
	s.stop()
	s.escalate()
	if err := s.wait(t); exit.Code(err) != 7 {
		t.Errorf("exit code %d, %v", exit.Code(err), err)
	}
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestServiceThatIsNotCriticalTakesNobodyDown(t *testing.T) {
	seen := &states{}
	main := supervise.Service{Process: helper(t, "signals", "15"), Critical: true}
	main.Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	side := supervise.Service{Process: shell("exit 4"), Restart: quickly(2), OnState: seen.add}
	s := runServices(t, main, side)
	testkit.Eventually(t, "it was given up", func() bool { return strings.HasSuffix(seen.String(), "failed") })
	if got := strings.Count(seen.String(), "starting"); got != 3 {
		t.Errorf("started %d times: %s", got, seen)
	}
	if snap := s.Snapshot()[0]; snap.Pid == 0 || !testkit.Alive(snap.Pid) {
		t.Errorf("the critical one is gone: %+v", snap)
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestSupervisorWithNothingLeftEnds(t *testing.T) {
	err := runServices(t, supervise.Service{Process: shell("exit 4")}).wait(t)
	if exit.Code(err) != exit.UnrequestedEnd || !strings.Contains(err.Error(), "no service is left") {
		t.Errorf("got %v", err)
	}
}

func TestEscalatedStop(t *testing.T) {
	service := supervise.Service{Process: helper(t, "signals")}
	service.Stop = []supervise.StopStep{{syscall.SIGINT, forever}, {syscall.SIGTERM, forever}}
	s := runServices(t, service)
	testkit.Eventually(t, "it is up", func() bool { return strings.Contains(s.log.String(), "| ready") })
	s.stop()
	testkit.Eventually(t, "the first signal", func() bool { return strings.Contains(s.log.String(), "| got 2") })
	s.escalate()
	testkit.Eventually(t, "the second signal", func() bool { return strings.Contains(s.log.String(), "| got 15") })
	s.escalate()
	if err := s.wait(t); err != nil {
		t.Error(err)
	}
}

func TestSignalsArePassedOnToWhoWantsThem(t *testing.T) {
	wanted := []syscall.Signal{syscall.SIGUSR1, syscall.SIGWINCH}
	services := []supervise.Service{
		{Process: helper(t, "signals", "15"), PassOn: wanted}, {Process: helper(t, "signals", "15"), PassOn: wanted}, {Process: helper(t, "signals", "15")},
	}
	services[1].Name, services[2].Name = "second", "third"
	for i := range services {
		services[i].Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	}
	s := runServices(t, services...)
	testkit.Eventually(t, "all are up", func() bool { return strings.Count(s.log.String(), "| ready") == 3 })
	for _, sig := range wanted {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("| got %d", int(sig))
		testkit.Eventually(t, "both got it", func() bool {
			return strings.Contains(s.log.String(), "signals "+text) && strings.Contains(s.log.String(), "second "+text)
		})
	}
	if strings.Contains(s.log.String(), "third | got") {
		t.Error("one that did not want it got it too")
	}
}

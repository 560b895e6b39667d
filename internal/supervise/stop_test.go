package supervise_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// recorder collects the lines of a child and lets a test wait for one.
type recorder struct {
	log   *testkit.Buffer // of the supervisor
	mu    sync.Mutex
	lines []string
}

func (r *recorder) line(_ supervise.Stream, line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, string(line))
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

func (r *recorder) expect(t *testing.T, text string) string {
	t.Helper()
	var found string
	testkit.Eventually(t, "the child writes "+text, func() bool {
		for _, line := range r.all() {
			if strings.HasPrefix(line, text) {
				found = line
			}
		}
		return found != ""
	})
	return found
}

// startRecorded starts a child and waits until it says that it is ready.
func startRecorded(t *testing.T, p supervise.Process) (*supervise.Child, *recorder) {
	t.Helper()
	r := &recorder{}
	p.Line = r.line
	log, out := logTo(t)
	r.log = out
	c, err := supervise.Start(log, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		c.Stop(ended)
	})
	r.expect(t, "ready")
	return c, r
}

const forever = time.Hour

func TestStopWalksItsStepsInOrder(t *testing.T) {
	p := helper(t, "signals")
	p.Stop = []supervise.StopStep{{syscall.SIGINT, 50 * time.Millisecond}, {syscall.SIGINT, 50 * time.Millisecond}, {syscall.SIGTERM, 50 * time.Millisecond}}
	c, r := startRecorded(t, p)
	began := time.Now()
	status := c.Stop(timeout(t))
	if status.Signal() != syscall.SIGKILL || status.ExitCode() != 137 {
		t.Errorf("got %v", status)
	}
	if took := time.Since(began); took < 150*time.Millisecond || took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	got := slices.DeleteFunc(r.all(), func(line string) bool { return !strings.HasPrefix(line, "got") || line == "got 18" })
	if want := []string{"got 2", "got 2", "got 15"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStopEndsWithTheChild(t *testing.T) {
	p := helper(t, "signals", "2")
	p.Stop = []supervise.StopStep{{syscall.SIGINT, forever}}
	c, _ := startRecorded(t, p)
	if status := c.Stop(timeout(t)); status.ExitCode() != 42 {
		t.Errorf("got %v", status)
	}
	if err := c.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal to nobody: %v", err)
	}
	if status := c.Stop(timeout(t)); status.ExitCode() != 42 {
		t.Errorf("second Stop: %v", status)
	}
}

func TestStopWithoutStepsKills(t *testing.T) {
	c, _ := startRecorded(t, helper(t, "signals"))
	if status := c.Stop(timeout(t)); status.Signal() != syscall.SIGKILL {
		t.Errorf("got %v", status)
	}
}

func TestEscalationGoesOneStepFurther(t *testing.T) {
	p := helper(t, "signals")
	p.Stop = []supervise.StopStep{{syscall.SIGINT, forever}, {syscall.SIGQUIT, forever}, {syscall.SIGTERM, forever}}
	c, r := startRecorded(t, p)
	ctx, escalate := supervise.WithEscalation(timeout(t))
	stopped := make(chan supervise.Status)
	go func() { stopped <- c.Stop(ctx) }()
	for step, signal := range []string{"got 2", "got 3", "got 15"} {
		r.expect(t, signal)
		if steps := strings.Count(r.log.String(), "stopping "); steps != step+1 {
			t.Errorf("%d steps after %d escalations", steps, step)
		}
		escalate()
	}
	if status := <-stopped; status.Signal() != syscall.SIGKILL {
		t.Errorf("got %v", status)
	}
}

func TestEndedContextKillsAtOnce(t *testing.T) {
	p := helper(t, "signals")
	p.Stop = []supervise.StopStep{{syscall.SIGINT, forever}, {syscall.SIGTERM, forever}}
	c, _ := startRecorded(t, p)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if status := c.Stop(ctx); status.Signal() != syscall.SIGKILL {
		t.Errorf("got %v", status)
	}
}

func TestStopWaitsForTheWholeGroup(t *testing.T) {
	t.Parallel()
	// Longer than a killed group is waited for.
	p := shell(`(trap 'sleep 3.5; echo drained; exit' TERM; echo ready; while :; do sleep 0.01; done) & wait`)
	p.Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	c, r := startRecorded(t, p)
	if status := c.Stop(timeout(t)); status.Signal() != syscall.SIGTERM {
		t.Errorf("the shell itself: %v", status)
	}
	if !slices.Contains(r.all(), "drained") {
		t.Errorf("the shell's child was not waited for: %q", r.all())
	}
}

func TestStopGoesOnWhenOnlyTheLeaderEnds(t *testing.T) {
	p := shell(`(trap '' TERM; echo ready $$; while :; do sleep 0.01; done) & wait`)
	p.Stop = []supervise.StopStep{{syscall.SIGTERM, 100 * time.Millisecond}}
	c, _ := startRecorded(t, p)
	began := time.Now()
	c.Stop(timeout(t))
	if took := time.Since(began); took < 100*time.Millisecond || took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if syscall.Kill(-c.Pid(), 0) == nil {
		t.Error("the group is still there")
	}
}

func TestStopWakesASuspendedChild(t *testing.T) {
	p := helper(t, "signals", "15")
	p.Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	c, _ := startRecorded(t, p)
	if err := c.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if status := c.Stop(timeout(t)); status.ExitCode() != 42 {
		t.Errorf("got %v", status)
	}
}

func TestConcurrentStopsAgree(t *testing.T) {
	p := helper(t, "signals", "15")
	p.Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	c, _ := startRecorded(t, p)
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			if status := c.Stop(timeout(t)); status.ExitCode() != 42 {
				t.Errorf("got %v", status)
			}
		})
	}
	group.Wait()
}

func TestSignalReachesTheWholeGroup(t *testing.T) {
	p := shell(`trap 'echo outer' USR1; sh -c "trap 'echo inner' USR1; echo ready; while :; do sleep 0.01; done" & while :; do wait; done`)
	p.Stop = []supervise.StopStep{{syscall.SIGTERM, forever}}
	c, r := startRecorded(t, p)
	if err := c.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	r.expect(t, "outer")
	r.expect(t, "inner")
}

func TestStopContext(t *testing.T) {
	tests := map[syscall.Signal]func(*testing.T, string, ...string) *testkit.Process{
		syscall.SIGTERM: startPID1, syscall.SIGINT: startProgram, syscall.SIGQUIT: startPID1, syscall.SIGHUP: startProgram,
	}
	for sig, start := range tests {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			p := start(t, "stoppable")
			p.Expect("waiting")
			for _, other := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGALRM, syscall.SIGPIPE, syscall.SIGABRT, syscall.SIGSEGV} {
				p.Signal(other)
			}
			p.Signal(sig)
			if got := p.Expect("cause: "); !strings.HasPrefix(got, "stop requested by SIG") {
				t.Errorf("got %q", got)
			}
			p.Signal(sig)
			p.Expect("escalated")
			if code := p.Wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestStopContextRespectsNohup(t *testing.T) {
	p := testkit.Start(t, command("stoppable", "sh", "-c", `trap '' HUP; exec "$0"`, self(t)))
	p.Expect("waiting")
	p.Signal(syscall.SIGHUP)
	p.Signal(syscall.SIGTERM)
	if got := p.Expect("cause: "); got != "stop requested by SIGTERM" {
		t.Errorf("got %q", got)
	}
}

func TestEscalationWithoutAnOperator(t *testing.T) {
	select {
	case <-supervise.Escalated(context.Background()):
		t.Error("escalated by nobody")
	default:
	}
}

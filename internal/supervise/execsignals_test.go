package supervise_test

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// signalPrinter returns a command that prints the signals it gets.
func signalPrinter(t *testing.T, args ...string) []string {
	t.Helper()
	return append([]string{"env", testkit.RoleVariable + "=signals", self(t)}, args...)
}

// uncatchable reports whether it is one of the signals that nobody can pass on, or that say something
// to their receiver alone.
func uncatchable(sig syscall.Signal) bool {
	switch sig {
	case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD:
		return true
	}
	return sig > unix.SIGSYS && sig < 35 // the C library's own
}

func TestExecPassesOnEverySignal(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *testkit.Process) {
		p := start(append([]string{"--signal", "TSTP=TSTP", "--signal", "TTIN=TTIN", "--signal", "TTOU=TTOU", "--"}, pythonPrinter...)...)
		p.Expect("ready")
		sent := 0
		for sig := syscall.Signal(1); sig <= 64; sig++ {
			if uncatchable(sig) {
				continue
			}
			sent++
			p.Signal(sig)
			p.Expect(fmt.Sprintf("got %d", int(sig)))
			if sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU {
				sent++
				wake(t, p)
			}
		}
		p.Signal(syscall.SIGCHLD)
		p.Signal(syscall.SIGUSR1)
		testkit.Eventually(t, "the last one arrives", func() bool { return strings.Count(p.Output.String(), "got 10\n") == 2 })
		// The one more is that last one.
		if got := strings.Count(p.Output.String(), "got "); got != sent+1 || p.Says("got 17\n") {
			t.Errorf("%d signals were sent and %d arrived", sent+1, got)
		}
	})
}

// wake continues a program that has suspended itself. PID 1 does not do that.
func wake(t *testing.T, p *testkit.Process) {
	t.Helper()
	if p.Pid() == p.Cmd.Process.Pid {
		testkit.Eventually(t, "it is suspended", func() bool { return processState(p.Pid()) == "T" })
	}
	before := strings.Count(p.Output.String(), "got 18\n")
	p.Signal(unix.SIGCONT)
	testkit.Eventually(t, "SIGCONT arrives", func() bool { return strings.Count(p.Output.String(), "got 18\n") > before })
}

// pythonPrinter prints every signal it gets: a Go program could not tell
// SIGURG, which its own runtime uses.
var pythonPrinter = []string{"python3", "-uc", `
import signal, os
for s in range(1, 65):
    try: signal.signal(s, lambda n, _: os.write(1, b"got %d\n" % n))
    except (OSError, ValueError): pass
print("ready", os.getpid())
while True: signal.pause()
`}

func processState(pid int) string {
	state, _ := procfs.StatusField(fmt.Sprintf("/proc/%d/status", pid), "State:")
	return state[:min(1, len(state))]
}

func TestExecChangesAndIgnoresSignals(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *testkit.Process) {
		p := start(append([]string{"--signal", "TERM=QUIT", "--signal", "2=0", "--signal", "SIGHUP=SIGUSR1", "--"}, signalPrinter(t, "10")...)...)
		p.Expect("ready")
		p.Signal(syscall.SIGINT)
		p.Signal(syscall.SIGTERM)
		p.Expect("got 3")
		p.Signal(syscall.SIGHUP)
		if code := p.Wait(); code != 42 {
			t.Errorf("exit code %d", code)
		}
		if out := p.Output.String(); strings.Contains(out, "got 2\n") || strings.Contains(out, "got 15\n") || strings.Contains(out, "got 1\n") {
			t.Errorf("got %q", out)
		}
	})
	if code := startProgram(t, "exec", "--signal", "NOPE=1", "true").Wait(); code != exit.Usage {
		t.Errorf("a wrong rule: exit code %d", code)
	}
}

// pipeline is a shell that waits for a background child of its own.
const pipeline = `trap "echo outer" TERM; sh -c 'trap "echo inner; exit" TERM; echo ready; while :; do sleep 0.01; done' & wait; wait`

func TestExecSignalsTheWholeGroup(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *testkit.Process) {
		p := start("sh", "-c", pipeline)
		p.Expect("ready")
		p.Signal(syscall.SIGTERM)
		p.Expect("inner")
		p.Expect("outer")
		if code := p.Wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestExecNoGroupSignalsTheCommandAlone(t *testing.T) {
	p := startProgram(t, "exec", "--no-group", "sh", "-c", `trap "exit 8" TERM; sh -c 'trap "echo inner" TERM USR1; echo ready $$; while :; do sleep 0.01; done' & wait`)
	inner, err := strconv.Atoi(strings.TrimSpace(p.Expect("ready ")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(inner, syscall.SIGKILL) }()
	p.Signal(syscall.SIGTERM)
	if code := p.WaitWithin(10 * time.Second); code != 8 || !testkit.Alive(inner) {
		t.Errorf("exit code %d, inner alive: %v", code, testkit.Alive(inner))
	}
	if p.Says("inner") {
		t.Error("the command's child got the signal too")
	}
}

func TestExecSuspendsWithTheCommand(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		t.Run(sig.String(), func(t *testing.T) {
			p := startProgram(t, "exec", append([]string{"--"}, signalPrinter(t)...)...)
			var command int
			if _, err := fmt.Sscan(p.Expect("ready "), &command); err != nil {
				t.Fatal(err)
			}
			p.Signal(sig)
			testkit.Eventually(t, "both are suspended", func() bool {
				return processState(command) == "T" && processState(p.Pid()) == "T"
			})
			p.Signal(syscall.SIGCONT)
			p.Expect("got 18")
			testkit.Eventually(t, "both go on", func() bool {
				return processState(command) != "T" && processState(p.Pid()) != "T"
			})
		})
	}
}

func TestExecKeepsSignalsIgnoredThatWereIgnored(t *testing.T) {
	p := testkit.Start(t, command("exec", "sh", "-c", `trap '' HUP INT TTOU; exec "$0" grep SigIgn /proc/self/status`, self(t)))
	if code := p.Wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	// The runner of the tests may ignore others.
	const hupIntTtou = 1<<(unix.SIGHUP-1) | 1<<(unix.SIGINT-1) | 1<<(unix.SIGTTOU-1)
	_, mask, _ := strings.Cut(p.Output.String(), "SigIgn:")
	got, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
	if err != nil || got&hupIntTtou != hupIntTtou {
		t.Errorf("got %x, want %x in it: %v", got, hupIntTtou, err)
	}
}

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
)

// signalPrinter is a command that prints the signals it gets.
func signalPrinter(t *testing.T, args ...string) []string {
	t.Helper()
	return append([]string{"env", helperVariable + "=signals", self(t)}, args...)
}

// uncatchable are the signals that nobody can pass on, or that say something
// to their receiver alone.
func uncatchable(sig syscall.Signal) bool {
	switch sig {
	case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD:
		return true
	}
	return sig > unix.SIGSYS && sig < 35 // the C library's own
}

func TestExecPassesOnEverySignal(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *program) {
		p := start(append([]string{"--signal", "TSTP=TSTP", "--signal", "TTIN=TTIN", "--signal", "TTOU=TTOU", "--"}, pythonPrinter...)...)
		p.expect("ready")
		sent := 0
		for sig := syscall.Signal(1); sig <= 64; sig++ {
			if uncatchable(sig) {
				continue
			}
			sent++
			p.signal(sig)
			p.expect(fmt.Sprintf("got %d", int(sig)))
			if sig == unix.SIGTSTP || sig == unix.SIGTTIN || sig == unix.SIGTTOU {
				sent++
				p.wake()
			}
		}
		p.signal(syscall.SIGCHLD)
		p.signal(syscall.SIGUSR1)
		eventually(t, "the last one arrives", func() bool { return strings.Count(p.out.String(), "got 10\n") == 2 })
		// The one more is that last one.
		if got := strings.Count(p.out.String(), "got "); got != sent+1 || strings.Contains(p.out.String(), "got 17\n") {
			t.Errorf("%d signals were sent and %d arrived", sent+1, got)
		}
	})
}

// wake continues a program that has suspended itself. PID 1 does not do that.
func (p *program) wake() {
	p.t.Helper()
	if !p.isPID1() {
		eventually(p.t, "it is suspended", func() bool { return processState(p.inner()) == "T" })
	}
	before := strings.Count(p.out.String(), "got 18\n")
	p.signal(unix.SIGCONT)
	eventually(p.t, "SIGCONT arrives", func() bool { return strings.Count(p.out.String(), "got 18\n") > before })
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
	bothWays(t, func(t *testing.T, start func(args ...string) *program) {
		p := start(append([]string{"--signal", "TERM=QUIT", "--signal", "2=0", "--signal", "SIGHUP=SIGUSR1", "--"}, signalPrinter(t, "10")...)...)
		p.expect("ready")
		p.signal(syscall.SIGINT)
		p.signal(syscall.SIGTERM)
		p.expect("got 3")
		p.signal(syscall.SIGHUP)
		if code := p.wait(); code != 42 {
			t.Errorf("exit code %d", code)
		}
		if out := p.out.String(); strings.Contains(out, "got 2\n") || strings.Contains(out, "got 15\n") || strings.Contains(out, "got 1\n") {
			t.Errorf("got %q", out)
		}
	})
	if code := startProgram(t, "exec", "--signal", "NOPE=1", "true").wait(); code != exit.Usage {
		t.Errorf("a wrong rule: exit code %d", code)
	}
}

// pipeline is a shell that waits for a background child of its own.
const pipeline = `trap "echo outer" TERM; sh -c 'trap "echo inner; exit" TERM; echo ready; while :; do sleep 0.01; done' & wait; wait`

func TestExecSignalsTheWholeGroup(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *program) {
		p := start("sh", "-c", pipeline)
		p.expect("ready")
		p.signal(syscall.SIGTERM)
		p.expect("inner")
		p.expect("outer")
		if code := p.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestExecNoGroupSignalsTheCommandAlone(t *testing.T) {
	p := startProgram(t, "exec", "--no-group", "sh", "-c", `trap "exit 8" TERM; sh -c 'trap "echo inner" TERM USR1; echo ready $$; while :; do sleep 0.01; done' & wait`)
	inner, err := strconv.Atoi(strings.TrimSpace(p.expect("ready ")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(inner, syscall.SIGKILL) }()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the program did not end")
	}
	if code := p.wait(); code != 8 || !alive(inner) {
		t.Errorf("exit code %d, inner alive: %v", code, alive(inner))
	}
	if strings.Contains(p.out.String(), "inner") {
		t.Error("the command's child got the signal too")
	}
}

func TestExecSuspendsWithTheCommand(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		t.Run(sig.String(), func(t *testing.T) {
			p := startProgram(t, "exec", append([]string{"--"}, signalPrinter(t)...)...)
			var command int
			if _, err := fmt.Sscan(p.expect("ready "), &command); err != nil {
				t.Fatal(err)
			}
			p.signal(sig)
			eventually(t, "both are suspended", func() bool {
				return processState(command) == "T" && processState(p.inner()) == "T"
			})
			p.signal(syscall.SIGCONT)
			p.expect("got 18")
			eventually(t, "both go on", func() bool {
				return processState(command) != "T" && processState(p.inner()) != "T"
			})
		})
	}
}

func TestExecKeepsSignalsIgnoredThatWereIgnored(t *testing.T) {
	p := startCommand(t, "exec", []string{"sh", "-c", `trap '' HUP INT TTOU; exec "$0" grep SigIgn /proc/self/status`, self(t)}, nil)
	if code := p.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	// Others may be ignored by whoever runs the tests.
	const hupIntTtou = 1<<(unix.SIGHUP-1) | 1<<(unix.SIGINT-1) | 1<<(unix.SIGTTOU-1)
	_, mask, _ := strings.Cut(p.out.String(), "SigIgn:")
	got, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
	if err != nil || got&hupIntTtou != hupIntTtou {
		t.Errorf("got %x, want %x in it: %v", got, hupIntTtou, err)
	}
}

package supervise_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// bothWays runs a test with the program as an ordinary process and as PID 1.
func bothWays(t *testing.T, test func(t *testing.T, start func(args ...string) *program)) {
	for name, start := range map[string]func(*testing.T, string, ...string) *program{"process": startProgram, "PID 1": startPID1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(args ...string) *program { return start(t, "exec", args...) })
		})
	}
}

// signalPrinter is a command that prints the signals it gets.
func signalPrinter(t *testing.T, args ...string) []string {
	t.Helper()
	return append([]string{"env", helperVariable + "=signals", self(t)}, args...)
}

func TestExecHasTheExitCodeOfTheCommand(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *program) {
		tests := map[string]int{"exit 0": 0, "exit 1": 1, "exit 127": 127, "exit 255": 255, "kill -TERM $$": 143, "kill -KILL $$": 137, "kill -SEGV $$": 139}
		for script, want := range tests {
			if got := start("--", "sh", "-c", script).wait(); got != want {
				t.Errorf("%s: exit code %d, want %d", script, got, want)
			}
		}
		p := start("/no/such/program")
		if code := p.wait(); code != exit.NotFound || !strings.Contains(p.errs.String(), "/no/such/program") {
			t.Errorf("not found: exit code %d, %s", code, p.errs.String())
		}
		if code := start("/etc/passwd").wait(); code != exit.NotExecutable {
			t.Errorf("not executable: exit code %d", code)
		}
	})
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
	state, _ := supervise.StatusField(fmt.Sprintf("/proc/%d/status", pid), "State:")
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
const pipeline = `sh -c 'trap "echo inner; exit" TERM; echo ready; while :; do sleep 0.01; done' & trap "echo outer" TERM; wait; wait`

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
	p := startProgram(t, "exec", "--no-group", "sh", "-c", `sh -c 'trap "echo inner" TERM USR1; echo ready $$; while :; do sleep 0.01; done' & trap "exit 8" TERM; wait`)
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

func TestExecAsksWhatIsLeftToEnd(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *program) {
		p := start("sh", "-c", `sh -c 'trap "echo asked; exit" TERM; echo ready; while :; do sleep 0.01; done' & sleep 0.3; exit 6`)
		if code := p.wait(); code != 6 || !strings.Contains(p.out.String(), "asked") {
			t.Errorf("exit code %d, output %q", code, p.out.String())
		}
		if p.elapsed > 3*time.Second {
			t.Errorf("took %v although nothing was left", p.elapsed)
		}
	})
}

func TestExecCollectsOrphans(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *program) {
		p := start("sh", "-c", `for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.01 &) ; (setsid sleep 0.01 &); done; sleep 0.3; exec sleep 1000`)
		eventually(t, "only the command is left", func() bool {
			children := supervise.ChildrenOf(p.inner())
			return len(children) == 1 && commandOf(children[0]) == "sleep" && !strings.Contains(commandLine(children[0]), "0.")
		})
	})
}

func TestExecNoGroupCollectsOrphans(t *testing.T) {
	p := startPID1(t, "exec", "--no-group", "sh", "-c", `for i in 1 2 3 4; do (sleep 0.01 &) ; done; sleep 0.3; echo forked; exec sleep 1000`)
	p.expect("forked")
	began := time.Now()
	eventually(t, "only the command is left", func() bool { return len(supervise.ChildrenOf(p.inner())) == 1 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("they were left for %v, as if they were somebody else's", took)
	}
}

func commandOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(text)
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

func TestExecLeavesEnvironmentFolderAndNameAlone(t *testing.T) {
	dir := t.TempDir()
	p := startCommand(t, "exec", []string{self(t), "sh", "-c", `echo "[$GODEBUG]"; pwd; cat /proc/$PPID/comm; readlink /proc/$PPID/cwd`}, func(cmd *exec.Cmd) {
		cmd.Dir = dir
		cmd.Env = append(cmd.Env, "GODEBUG=madvdontneed=1")
	})
	if code := p.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	name := filepath.Base(self(t))
	want := fmt.Sprintf("[madvdontneed=1]\n%s\n%s\n/\n", dir, name[:min(15, len(name))])
	if got := p.out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
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

func TestExecReadsItsInput(t *testing.T) {
	p := startCommand(t, "exec", []string{self(t), "tac"}, func(cmd *exec.Cmd) { cmd.Stdin = strings.NewReader("1\n2\n3\n") })
	if code := p.wait(); code != 0 || p.out.String() != "3\n2\n1\n" {
		t.Errorf("exit code %d, output %q", code, p.out.String())
	}
}

func TestShellUnderExecHasTheTerminal(t *testing.T) {
	for name, prefix := range map[string][]string{"process": nil, "PID 1": pid1Prefix(t)} {
		t.Run(name, func(t *testing.T) {
			argv := append(append([]string{}, prefix...), append([]string{self(t), "--"}, shellOnTerminal...)...)
			p := startOnTerminal(t, "exec", argv...)
			p.prompts(1)
			p.typeKeys("sleep 1000\n")
			eventually(t, "sleep has the terminal", func() bool { return p.foreground() == "sleep" })
			p.typeKeys(ctrlC)
			p.prompts(2)
			p.typeKeys("sleep 1000\n")
			eventually(t, "sleep has the terminal again", func() bool { return p.foreground() == "sleep" })
			p.typeKeys(ctrlZ)
			p.expect("Stopped")
			p.prompts(3)
			p.typeKeys("fg\n")
			eventually(t, "sleep is in the foreground", func() bool { return p.foreground() == "sleep" })
			p.typeKeys(ctrlC)
			p.prompts(4)
			p.typeKeys("exit 9\n")
			if code := p.wait(); code != 9 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// foreground is the name of the process that leads the foreground group.
func (p *terminalProgram) foreground() string {
	pgid, err := unix.IoctlGetInt(int(p.master.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return ""
	}
	return commandOf(pgid)
}

func TestExecIsAJobOfTheShellAroundIt(t *testing.T) {
	p := startOnTerminal(t, "exec", shellOnTerminal...)
	p.prompts(1)
	p.typeKeys(self(t) + " -- sleep 1000\n")
	eventually(t, "the command has the terminal", func() bool { return p.foreground() == "sleep" })
	p.typeKeys(ctrlZ)
	p.expect("Stopped")
	p.prompts(2)
	p.typeKeys("fg\n")
	eventually(t, "the command has the terminal again", func() bool { return p.foreground() == "sleep" })
	p.typeKeys(ctrlZ)
	p.prompts(3)
	p.typeKeys("bg; echo the shell still has it\n")
	eventually(t, "the shell still has the terminal", func() bool { return strings.Count(p.out.String(), "the shell still has it") == 2 })
	p.prompts(4)
	p.typeKeys("fg\n")
	eventually(t, "we have it once more", func() bool { return p.foreground() != "bash" })
	p.typeKeys(ctrlC)
	p.prompts(5)
	p.typeKeys("echo code=$?\n")
	p.expect("code=130")
	p.typeKeys(self(t) + " --no-group -- sleep 1000; echo code=$?\n")
	eventually(t, "another command runs", func() bool { return p.foreground() == filepath.Base(self(t))[:min(15, len(filepath.Base(self(t))))] })
	p.typeKeys(ctrlC)
	p.prompts(7)
	p.typeKeys("exit\n")
	p.wait()
}

func TestExecReadsFromTheTerminalOnlyInTheForeground(t *testing.T) {
	p := startOnTerminal(t, "exec", shellOnTerminal...)
	p.prompts(1)
	p.typeKeys(self(t) + " -- cat\n")
	eventually(t, "cat has the terminal", func() bool { return p.foreground() == "cat" })
	p.typeKeys(ctrlZ)
	p.prompts(2)
	p.typeKeys("bg\n")
	eventually(t, "it stops for want of input", func() bool {
		return strings.Count(p.out.String(), "Stopped") >= 2 || processState(p.jobLeader()) == "T"
	})
	p.typeKeys("fg\n")
	eventually(t, "cat has the terminal again", func() bool { return p.foreground() == "cat" })
	p.typeKeys("a line\n")
	eventually(t, "cat has read and written it", func() bool { return strings.Count(p.out.String(), "a line\n") == 2 })
	p.typeKeys(ctrlC)
	p.prompts(4)
	p.typeKeys("exit\n")
	p.wait()
}

// jobLeader is the helper that the shell has started.
func (p *terminalProgram) jobLeader() int {
	children := supervise.ChildrenOf(p.cmd.Process.Pid)
	if len(children) != 1 {
		return 0
	}
	return children[0]
}

func TestExecGivesTheTerminalBack(t *testing.T) {
	// A script has no job control that would take it back.
	p := startOnTerminal(t, "exec", "sh", "-c", `"$0" -- sh -c 'echo has it; exit 3'; echo code=$?; read line; echo "read $line"`, self(t))
	p.expect("code=3")
	p.typeKeys("a line\n")
	p.expect("read a line")
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSuspendKeyDoesNotHangACommandOfPID1(t *testing.T) {
	p := startOnTerminal(t, "exec", append(pid1Prefix(t), self(t), "--", "sh", "-c", "echo ready; read line; exit 3")...)
	p.expect("ready")
	p.typeKeys(ctrlZ)
	p.typeKeys("go on\n")
	if code := p.wait(); code != 3 {
		t.Errorf("exit code %d", code)
	}
}

package testkit

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

// Process is a program that a test runs as a process of its own, to see from
// outside what it does: as a container runtime does.
type Process struct {
	Cmd *exec.Cmd
	// Output is what the program writes to both streams, where the command that it
	// was started with names no others.
	Output Buffer

	t     testing.TB
	ended chan struct{}
}

// Start runs the command until the end of the test; there it is killed, and its
// output is shown if the test has failed. What it says of a boot that failed has to be
// complete (CheckFailures).
func Start(t testing.TB, command *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: command, t: t, ended: make(chan struct{})}
	if command.Stdout == nil {
		command.Stdout = &p.Output
	}
	if command.Stderr == nil {
		command.Stderr = &p.Output
	}
	// A process that escapes must not keep the test waiting for its output.
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = command.Wait() // Wait returns the code
	}()
	t.Cleanup(func() {
		p.kill()
		<-p.ended
		CheckFailures(t, p.Output.String())
		if t.Failed() {
			t.Logf("output of %s:\n%s", strings.Join(command.Args, " "), p.Output.String())
		}
	})
	return p
}

// kill also ends what is behind unshare, whose --kill-child is forgotten when its
// child changes its user.
func (p *Process) kill() {
	for _, pid := range procfs.Children(p.Cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = p.Cmd.Process.Kill()
}

// Wait waits for the end and returns the exit code, 128+n after signal n.
func (p *Process) Wait() int {
	p.t.Helper()
	return p.WaitWithin(patience)
}

// WaitWithin waits as Wait does, for an end that must come soon.
func (p *Process) WaitWithin(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit):
		p.t.Fatalf("it has not ended within %s", limit)
	}
	state := p.Cmd.ProcessState.Sys().(syscall.WaitStatus)
	if state.Signaled() {
		return 128 + int(state.Signal())
	}
	return state.ExitStatus()
}

// Ended returns a channel that is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Signal sends a signal to the program, also behind unshare; one that has ended
// gets none.
func (p *Process) Signal(sig syscall.Signal) {
	p.t.Helper()
	if err := syscall.Kill(p.Pid(), sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Fatalf("cannot send %s: %v", sig, err)
	}
}

// Stop sends SIGTERM and returns the exit code; the end must come within the limit.
func (p *Process) Stop(limit time.Duration) int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.WaitWithin(limit)
}

// Pid returns the process id of the program as seen from here: behind unshare
// that is its child's.
func (p *Process) Pid() int {
	p.t.Helper()
	pid := p.Cmd.Process.Pid
	if p.Cmd.Args[0] == unshare {
		Eventually(p.t, "unshare has a child", func() bool { return len(procfs.Children(p.Cmd.Process.Pid)) == 1 })
		pid = procfs.Children(p.Cmd.Process.Pid)[0]
	}
	return pid
}

// Until waits until a fact holds. The test fails when it does not come true in
// time or the process ends before.
func (p *Process) Until(what string, fact func() bool) {
	p.t.Helper()
	if poll(fact, p.ended) {
		return
	}
	select {
	case <-p.ended:
		p.t.Fatalf("it ended with code %d before: %s", p.Wait(), what)
	default:
		p.t.Fatalf("not within %s: %s", patience, what)
	}
}

// Says reports whether the text stands in the output so far.
func (p *Process) Says(text string) bool { return strings.Contains(p.Output.String(), text) }

// Expect waits for a text in the output and returns the rest of its line.
func (p *Process) Expect(text string) string {
	p.t.Helper()
	var rest string
	p.Until("output "+text, func() bool {
		_, after, found := strings.Cut(p.Output.String(), text)
		line, _, complete := strings.Cut(after, "\n")
		rest = line
		return found && complete
	})
	return rest
}

const unshare = "unshare"

// PID1 returns the command that runs its arguments as PID 1 of a new PID
// namespace. Root can make one itself, other users need a user namespace around it.
func PID1(t testing.TB, argv ...string) []string {
	t.Helper()
	prefix := []string{unshare}
	if os.Geteuid() != 0 {
		prefix = append(prefix, "--user", "--map-root-user")
	}
	prefix = append(prefix, "--fork", "--pid", "--mount-proc", "--kill-child")
	if out, err := exec.CommandContext(t.Context(), prefix[0], append(prefix[1:], "true")...).CombinedOutput(); err != nil {
		t.Fatalf("cannot test as PID 1: %v: %s", err, out)
	}
	return append(prefix, argv...)
}

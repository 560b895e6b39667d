package supervise

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Status is how a child ended. The zero Status is a child that was never seen
// to end.
type Status struct {
	wait   syscall.WaitStatus
	known  bool
	maxRSS int64
	killer string // who sent a SIGKILL that was not ours

	outOfMemory bool
}

// ExitCode returns the child's own code, or 128+n when signal n ended it. It is
// 128+9 for a child that did not even end after SIGKILL.
func (s Status) ExitCode() int {
	switch {
	case !s.known:
		return exit.SignalBase + int(syscall.SIGKILL)
	case s.wait.Signaled():
		return exit.SignalBase + int(s.wait.Signal())
	default:
		return s.wait.ExitStatus()
	}
}

// Signal returns the signal that ended the child, or 0 when it ended by itself.
func (s Status) Signal() syscall.Signal {
	if s.known && s.wait.Signaled() {
		return s.wait.Signal()
	}
	return 0
}

// OwnFault reports whether a signal is one that a process brings on itself: by an abort,
// or by what its processor or the kernel refuses.
func OwnFault(signal syscall.Signal) bool {
	switch signal {
	case syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGSEGV, syscall.SIGSYS, syscall.SIGTRAP:
		return true
	default:
		return false
	}
}

// Success reports whether the child ended by itself with code 0.
func (s Status) Success() bool { return s.known && s.wait.Exited() && s.wait.ExitStatus() == 0 }

// CoreDumped reports whether the kernel wrote a core file.
func (s Status) CoreDumped() bool { return s.known && s.wait.CoreDump() }

// OutOfMemory reports whether the kernel killed the child for want of memory.
func (s Status) OutOfMemory() bool { return s.outOfMemory }

// Killer returns who killed the child, as far as that is known; "" when it ended in
// another way, or by us.
func (s Status) Killer() string { return s.killer }

// MaxRSS returns the most memory the child ever had resident, in bytes.
func (s Status) MaxRSS() int64 { return s.maxRSS }

// String describes the end for a log line: "exit code 3", "killed by SIGSEGV".
func (s Status) String() string {
	if s.killer != "" {
		return s.plain() + " (" + s.killer + ")"
	}
	return s.plain()
}

func (s Status) plain() string {
	switch {
	case !s.known:
		return "still there after SIGKILL"
	case s.CoreDumped():
		return fmt.Sprintf("killed by %s, core dumped", signalName(s.Signal()))
	case s.Signal() != 0:
		return "killed by " + signalName(s.Signal())
	default:
		return fmt.Sprintf("exit code %d", s.ExitCode())
	}
}

func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}

// killer returns who killed a child that we did not kill, as far as the control group
// tells; "" for an end of another kind. A shell reports the kill of its command as its
// own exit code.
func (t *table) killer(c *Child) (text string, outOfMemory bool) {
	byItself := c.status.Signal() == 0
	if c.status.ExitCode() != exit.SignalBase+int(syscall.SIGKILL) || c.stopping || c.killed {
		return "", false
	}
	kills, known := t.memory.Kills()
	// Each kill explains one end: other children of this container die of them, too.
	if before := max(c.oomKills, t.oomSeen); known && kills > before {
		t.oomSeen = before + 1
		return "out of memory: " + t.memory.Shortage() + ", so the kernel killed it", true
	}
	switch {
	case byItself:
		return "", false
	case known:
		return "something outside killed it, not the kernel for want of memory", false
	}
	return "the kernel, for want of memory, or something outside killed it", false
}

package supervise

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// terminal is our controlling terminal, when we are in its foreground. A nil
// terminal is none.
type terminal struct{ fd int }

// claimTerminal returns the terminal at stdin that a child with its own group
// can be given. A process in the background must not take it.
func claimTerminal(wanted bool) *terminal {
	fd := int(os.Stdin.Fd())
	foreground, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if !wanted || err != nil || foreground != unix.Getpgrp() {
		return nil
	}
	return &terminal{fd: fd}
}

func (t *terminal) ours() bool { return t != nil }

// lend makes a child's group the foreground group, if ours is: a shell that
// continues us in the background keeps the terminal. It reports whether.
func (t *terminal) lend(pgid int) bool { return t.handOver(unix.Getpgrp(), pgid) }

// takeBack undoes lend, unless another process has the terminal by now.
func (t *terminal) takeBack(pgid int) bool { return t.handOver(pgid, unix.Getpgrp()) }

func (t *terminal) handOver(from, to int) bool {
	if t == nil {
		return false
	}
	if foreground, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP); err != nil || foreground != from {
		return false
	}
	// In the background the kernel answers this with SIGTTOU, unless blocked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	block.Val[0] = 1 << (unix.SIGTTOU - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before) != nil {
		return false
	}
	err := unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, to)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	return err == nil
}

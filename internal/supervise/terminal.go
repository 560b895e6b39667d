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

// handOver makes a group the foreground group.
func (t *terminal) handOver(pgid int) {
	if t == nil {
		return
	}
	// In the background the kernel answers this with SIGTTOU, unless blocked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	block.Val[0] = 1 << (unix.SIGTTOU - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before) != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, pgid)
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

// giveBack makes our own group the foreground group again.
func (t *terminal) giveBack() { t.handOver(unix.Getpgrp()) }

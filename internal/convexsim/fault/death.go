package fault

import (
	"cmp"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/signame"
)

// Death is an end that a fault asked for.
type Death struct {
	Exit   int            // the status the process ends with…
	Signal syscall.Signal // …unless a signal ends it
}

// signalTimeout bounds the wait for a signal to ourselves to arrive.
const signalTimeout = 10 * time.Second

// String names the end.
func (d Death) String() string {
	if d.Signal != 0 {
		return "ended by " + d.signalName()
	}
	return fmt.Sprintf("exit status %d", d.Exit)
}

// signalName returns SIGTERM, or "signal 34" for one without a name.
func (d Death) signalName() string { return cmp.Or(unix.SignalName(d.Signal), d.Signal.String()) }

// Kill ends the process by the death's signal, whose default action it restores:
// to some signals the Go runtime would answer with a stack trace and status 2. It
// returns an error if the process lives on.
func (d Death) Kill() error {
	var defaultAction [64]byte // SIG_DFL, no flags, empty mask: all zero, and longer than any kernel's struct
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(d.Signal), uintptr(unsafe.Pointer(&defaultAction)), 0, 8, 0, 0); errno != 0 &&
		d.Signal != syscall.SIGKILL && d.Signal != syscall.SIGSTOP {
		return fmt.Errorf("cannot restore the default action of %s: %w", d.signalName(), errno)
	}
	if err := syscall.Kill(os.Getpid(), d.Signal); err != nil {
		return fmt.Errorf("cannot send %s to itself: %w", d.signalName(), err)
	}
	<-time.After(signalTimeout)
	return fmt.Errorf("still alive %v after %s", signalTimeout, d.signalName())
}

// Death returns the end that the fault asks for, if it does.
func (f Fault) Death() (Death, bool) {
	if f.Signal != "" {
		signal, err := signame.Parse(f.Signal)
		return Death{Signal: signal}, err == nil
	}
	if f.Exit != nil {
		return Death{Exit: *f.Exit}, true
	}
	return Death{}, false
}

package convexsim

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Death is an end that a fault asked for.
type Death struct {
	Exit   int            // the status the process ends with…
	Signal syscall.Signal // …unless a signal ends it
}

// signalTimeout bounds the wait for a signal to ourselves to arrive.
const signalTimeout = 10 * time.Second

func (d Death) String() string {
	if d.Signal != 0 {
		return "ended by " + unix.SignalName(d.Signal)
	}
	return fmt.Sprintf("exit status %d", d.Exit)
}

// strike ends the process by the death's signal. It returns an error if that did
// not happen.
func (d Death) strike() error {
	if err := syscall.Kill(os.Getpid(), d.Signal); err != nil {
		return fmt.Errorf("cannot send %s to itself: %w", unix.SignalName(d.Signal), err)
	}
	time.Sleep(signalTimeout)
	return fmt.Errorf("still alive after %s", unix.SignalName(d.Signal))
}

func parseSignal(name string) (syscall.Signal, error) {
	full := strings.ToUpper(name)
	if !strings.HasPrefix(full, "SIG") {
		full = "SIG" + full
	}
	if signal := unix.SignalNum(full); signal != 0 {
		return signal, nil
	}
	return 0, fmt.Errorf("signal=%s is not the name of a signal", name)
}

// Package stopsignal keeps the signals that ask PID 1 to stop from getting lost
// between the start of the program and the moment when somebody listens for
// them: the first ten milliseconds or so, in which the libraries set themselves
// up. The kernel does nothing to a PID 1 that does not listen, but Go's runtime
// then ends it with exit code 2, which says that it crashed. It is for PID 1
// only; any other process ends by the signal, and whoever sent it sees that.
//
// This package depends on next to nothing so that it comes first.
package stopsignal

import (
	"os"
	"os/signal"
	"syscall"
)

// held is made before main begins: that is the point of this package.
var held = hold(os.Getpid())

func hold(pid int) chan os.Signal {
	received := make(chan os.Signal, 4)
	if pid == 1 {
		signal.Notify(received, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	}
	return received
}

// Release sends the signals that came meanwhile once more, to whoever listens
// now, and holds back no more.
func Release() { release(held) }

func release(received chan os.Signal) {
	signal.Stop(received)
	for {
		select {
		case sig := <-received:
			// A process may always send signals to itself.
			_ = syscall.Kill(os.Getpid(), sig.(syscall.Signal))
		default:
			return
		}
	}
}

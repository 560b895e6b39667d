// Package stopsignal keeps the signals that ask PID 1 to stop from getting lost
// between the start of the program and the moment when the program listens for
// them: the first ten milliseconds or so, in which the libraries set themselves
// up. The kernel does nothing to a PID 1 that does not listen, but Go's runtime
// then ends it with exit code 2, which says that it crashed. It is for PID 1
// only; any other process ends by the signal, and its sender sees that.
//
// This package depends on next to nothing so that it comes first.
package stopsignal

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// capacity is how many signals may wait for a receiver that is busy.
const capacity = 64

// held is made before main begins: that is the point of this package.
var held = hold(os.Getpid())

// holder has the signals until a receiver takes them over.
type holder struct {
	received chan os.Signal
	over     sync.Once // a receiver has taken over
}

func hold(pid int) *holder {
	h := &holder{received: make(chan os.Signal, capacity)}
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		if pid == 1 && !signal.Ignored(sig) {
			signal.Notify(h.received, sig)
		}
	}
	return h
}

// Receive returns the channel in which the signals wait that came meanwhile. It
// goes on to receive them; signal.Notify adds others. With a channel of its own
// the caller would get a signal of that moment twice, or not at all. A later
// call, also one after Release, returns a new channel.
func Receive() chan os.Signal { return held.receive() }

func (h *holder) receive() chan os.Signal {
	received := make(chan os.Signal, capacity)
	h.over.Do(func() { received = h.received })
	return received
}

// Release sends the signals that came meanwhile once more, to what listens
// now, and holds back no more. It does nothing after Receive.
func Release() { held.over.Do(func() { release(held.received) }) }

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

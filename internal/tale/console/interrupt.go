package console

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopSignals returns those that ask a command to end: Ctrl-C, kill, and a terminal that is
// closed, unless the command was started to outlive that, as by nohup.
func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// Interruptible returns a context that the first stop signal ends; the second ends the
// process.
func Interruptible(parent context.Context, say func()) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, stopSignals()...)
	go func() {
		select {
		case <-signals:
			signal.Stop(signals)
			say()
			cancel()
		case <-ctx.Done():
			signal.Stop(signals)
		}
	}()
	return ctx, cancel
}

// OutliveReader keeps the end of the program that reads the output, as of a pipe over a
// connection that is cut, from ending this one in the middle of a change: what is written
// then is lost, and nothing else.
func OutliveReader() { signal.Ignore(syscall.SIGPIPE) }

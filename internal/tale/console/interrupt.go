package console

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// sayWithin is how long what is said of a stop signal may keep the command from heeding it: a
// terminal that was halted and a pipe that nobody reads take nothing.
const sayWithin = time.Second

// together is how far apart two signals may come that are one wish: timeout(1) sends its signal to
// the command and then to the group that it is in.
const together = 200 * time.Millisecond

// stopSignals returns those that ask a command to end: Ctrl-C, kill, and a terminal that is
// closed, unless the command was started to outlive that, as by nohup.
func stopSignals() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// interrupted is why the context of a command ends at a stop signal: context.Canceled to whoever
// asks for that, and to its user what it was.
type interrupted struct{ by os.Signal }

func (i interrupted) Error() string {
	return "interrupted by " + map[os.Signal]string{os.Interrupt: "Ctrl-C (SIGINT)", syscall.SIGTERM: "kill (SIGTERM)", syscall.SIGHUP: "the end of its terminal (SIGHUP)"}[i.by]
}

func (interrupted) Unwrap() error { return context.Canceled }

// Interruptible returns a context that the first stop signal ends, which is its cause, once said
// has told of it. The second one ends the process, once left has told what stays as it is.
func Interruptible(parent context.Context, said func(), left func(code int)) (context.Context, context.CancelFunc) {
	running, stop := context.WithCancel(parent)
	ctx, cancel := context.WithCancelCause(running)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals()...)
	go func() {
		defer signal.Stop(signals)
		first := awaitStop(running, signals)
		if first == nil {
			return
		}
		one := time.After(together)
		soon(said)
		passOver(signals, one)
		cancel(interrupted{first})
		second := awaitStop(running, signals)
		// A terminal that is closed sends two: itself, and the shell that ends with it.
		for second == syscall.SIGHUP {
			second = awaitStop(running, signals)
		}
		if second, is := second.(syscall.Signal); is {
			endBy(second, left)
		}
	}()
	return ctx, stop
}

// awaitStop returns the next signal, nil where the command has ended.
func awaitStop(running context.Context, signals <-chan os.Signal) os.Signal {
	select {
	case got := <-signals:
		return got
	case <-running.Done():
		return nil
	}
}

// passOver takes signals until a time.
func passOver(signals <-chan os.Signal, until <-chan time.Time) {
	for {
		select {
		case <-signals:
		case <-until:
			return
		}
	}
}

// soon does something, and does not wait for it any longer than sayWithin.
func soon(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(sayWithin):
	}
}

// endBy ends the process by a signal, as its parent is to see it: a shell ends its script at
// Ctrl-C then. A third one ends it while left is still telling.
func endBy(by syscall.Signal, left func(code int)) {
	code := exit.SignalBase + int(by)
	signal.Reset(stopSignals()...)
	soon(func() { left(code) })
	if syscall.Kill(os.Getpid(), by) == nil {
		<-time.After(sayWithin) // it ends in this, unless the signal was ignored when it began
	}
	os.Exit(code) //nolint:forbidigo // main waits for what is not to be waited for
}

// OutliveReader keeps the end of the program that reads the output, as of a pipe over a
// connection that is cut, from ending this one in the middle of a change: what is written
// then is lost, and nothing else.
func OutliveReader() { signal.Ignore(syscall.SIGPIPE) }

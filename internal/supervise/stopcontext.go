package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/stopsignal"
)

// StopRequested is the cause with which the context of StopContext ends.
type StopRequested struct{ Signal syscall.Signal }

func (e *StopRequested) Error() string {
	return fmt.Sprintf("stop requested by %s", signalName(e.Signal))
}

// StopContext returns a context that ends when the process is asked to stop:
// by SIGTERM, SIGINT, SIGQUIT or SIGHUP (unless it was started with SIGHUP
// ignored, as nohup does). Each further one of them escalates what is stopping
// (see Escalated). Any other signal that would end the process is ignored: as
// PID 1 of a container nothing restarts it. It also begins to adopt
// orphans. Call release when nothing listens to ctx any more.
func StopContext(parent context.Context, log *slog.Logger) (ctx context.Context, release func()) {
	Adopt()
	escalating, escalate := WithEscalation(parent)
	ctx, cancel := context.WithCancelCause(escalating)
	received := stopsignal.Receive()
	signal.Notify(received, caughtSignals()...)
	over := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-received:
				handleStop(ctx, log, sig.(syscall.Signal), cancel, escalate)
			case <-over:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(received)
		close(over)
		cancel(context.Canceled)
	}
}

func handleStop(ctx context.Context, log *slog.Logger, sig syscall.Signal, cancel context.CancelCauseFunc, escalate func()) {
	switch {
	case !stopsUs(sig):
		log.Debug("signal ignored", "signal", signalName(sig))
	case ctx.Err() == nil:
		cancel(&StopRequested{sig})
		log.Info("stop requested", "signal", signalName(sig))
	default:
		escalate()
		log.Info("stop requested again, going to the next step", "signal", signalName(sig))
	}
}

func stopsUs(sig syscall.Signal) bool {
	switch sig {
	case unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP:
		return true
	}
	return false
}

// caughtSignals returns all that can be caught, without those that the runtime
// itself or the shell's job control needs.
func caughtSignals() []os.Signal {
	var list []os.Signal
	for sig := unix.SIGHUP; sig <= unix.SIGSYS; sig++ {
		switch sig {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT:
			continue
		case unix.SIGHUP:
			if signal.Ignored(sig) {
				continue
			}
		}
		list = append(list, sig)
	}
	return list
}

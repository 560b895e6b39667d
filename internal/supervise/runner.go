package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// runner takes one service through its states.
type runner struct {
	Service
	log      *slog.Logger
	restarts *restarts
	info     info

	explained string // the cause that was logged last
}

func newRunner(log *slog.Logger, service Service) *runner {
	return &runner{Service: service, log: log, restarts: newRestarts(service.Restart)}
}

// run returns nil when ctx ended or a service that is not critical has failed.
func (r *runner) run(ctx context.Context) error {
	for ctx.Err() == nil {
		lived, err := r.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if r.permanent(err) {
			return r.fail(err)
		}
		wait, again := r.restarts.next(time.Now(), lived)
		if !again {
			return r.fail(err)
		}
		r.tellRestart(err, wait)
		r.set(StateBackoff)
		pause.For(ctx, wait)
	}
	r.set(StateStopped)
	return nil //nolint:nilerr // what ends a process that was asked to stop is no error
}

func (r *runner) tellRestart(reason error, wait time.Duration) {
	r.explain(reason)
	r.log.Warn("restarting after a pause", "process", r.Name, "reason", reason.Error(), "pause", wait,
		"restart", r.restarts.total, "restarts_left", r.restarts.left())
	if r.OnRestart != nil {
		r.OnRestart(reason, wait)
	}
}

// explain logs why a process does not run and what to do, but for the cause that was
// logged last: it is mostly the same at the next restart.
func (r *runner) explain(err error) {
	if r.Explain == nil {
		return
	}
	cause, fix := r.Explain(err)
	if fix == "" || cause == r.explained {
		return
	}
	r.explained = cause
	r.log.Warn(r.Name+" does not run", "cause", cause, "fix", fix)
}

// once runs the process to its end and returns how long it lived and why it ended.
func (r *runner) once(ctx context.Context) (time.Duration, error) {
	r.set(StateStarting)
	if r.Check != nil {
		if err := r.Check(ctx); err != nil {
			return 0, &checkError{r.Name, err}
		}
	}
	c, err := Start(r.log, r.Process)
	if err != nil {
		return 0, err
	}
	r.info.started(c, r.restarts.total)
	r.log.Info("started", "process", r.Name, "pid", c.Pid())
	r.set(StateRunning)
	if reason := r.watch(ctx, c); reason != nil {
		r.set(StateStopping)
		status := c.Stop(context.WithoutCancel(ctx))
		r.info.ended(status)
		r.log.Info("stopped", "process", r.Name, "end", status.String())
		return time.Since(c.Started()), &replacedError{r.Name, reason}
	}
	r.set(StateExited)
	<-c.Done()
	status := c.Status()
	r.info.ended(status)
	if r.OnExit != nil {
		r.OnExit(status)
	}
	return time.Since(c.Started()), &endError{r.Name, status}
}

// watch follows the readiness of a process until it ends, or has to be stopped: then
// it returns why.
func (r *runner) watch(ctx context.Context, c *Child) error {
	probing, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := make(chan readiness)
	go r.watchReady(probing, c.Pid(), changes)
	for {
		select {
		case <-c.Exited():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case reason := <-r.Replace:
			if r.restarts.allowed(time.Now()) {
				return reason
			}
			r.log.Warn("not restarted: the budget is used up", "process", r.Name, "reason", reason.Error())
		case change := <-changes:
			r.ready(change)
		}
	}
}

func (r *runner) ready(change readiness) {
	if change.ready {
		r.log.Info("ready", "process", r.Name)
		r.set(StateReady)
		return
	}
	_, reason := netcause.Of(change.err)
	r.log.Warn("no longer ready", "process", r.Name, "reason", reason)
	r.set(StateRunning)
}

func (r *runner) fail(err error) error {
	r.set(StateFailed)
	if r.restarts.total > 0 {
		err = fmt.Errorf("gave up after restart %d: %w", r.restarts.total, err)
	}
	if r.Critical {
		return err
	}
	r.explain(err)
	r.log.Error("a service has failed and stays down", "process", r.Name, "error", err.Error())
	return nil
}

func (r *runner) set(state State) {
	r.info.set(state)
	r.log.Debug("state", "process", r.Name, "state", state.String())
	if r.OnState != nil {
		r.OnState(state)
	}
}

// Ended returns how the process ended whose end err is about, if it is about one.
func Ended(err error) (Status, bool) {
	end, ok := errors.AsType[*endError](err)
	if !ok {
		return Status{}, false
	}
	return end.status, true
}

// endError is a process that ended by itself.
type endError struct {
	name   string
	status Status
}

func (e *endError) Error() string { return fmt.Sprintf("%s ended: %s", e.name, e.status) }

// ExitCode returns the child's own, or exit.UnrequestedEnd for 0.
func (e *endError) ExitCode() int {
	if code := e.status.ExitCode(); code != 0 {
		return code
	}
	return exit.UnrequestedEnd
}

// replacedError is a process that was stopped to be started again.
type replacedError struct {
	name   string
	reason error
}

func (e *replacedError) Error() string { return fmt.Sprintf("%s was stopped: %v", e.name, e.reason) }
func (e *replacedError) Unwrap() error { return e.reason }

// checkError is a start that Service.Check refused.
type checkError struct {
	name string
	err  error
}

func (e *checkError) Error() string { return fmt.Sprintf("cannot start %s: %v", e.name, e.err) }
func (e *checkError) Unwrap() error { return e.err }

// permanent reports whether starting again cannot help.
func (r *runner) permanent(err error) bool {
	if _, ok := errors.AsType[*endError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*replacedError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*checkError](err); ok {
		return r.restarts.total == 0
	}
	for _, passing := range []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, passing) {
			return false
		}
	}
	return true
}

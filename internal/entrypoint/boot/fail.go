package boot

import (
	"context"
	"errors"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/entrypoint/processlimit"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// end tells a requested stop, which is no failure at any stage, from one.
func (b *Lifecycle) end(ctx context.Context, stage string, err error) error {
	stop := stopRequested(ctx, err)
	if stop == nil {
		return b.fail(ctx, stage, err)
	}
	b.over("stopped")
	b.Update(func(d *report.Document) { d.State, d.Failure = report.Done, nil })
	if b.options.Job != "" {
		b.log.Error(b.options.name()+" was stopped before it was done", "stage", stage)
		return cli.Logged(exit.With(exit.SignalBase+int(stop.Signal), err))
	}
	b.log.Info(b.options.name()+" stopped before it was ready", "stage", stage)
	return nil
}

// stopRequested returns the stop that an error comes from, nil if it comes from
// something else.
func stopRequested(ctx context.Context, err error) *supervise.StopRequested {
	var stop *supervise.StopRequested
	if err != nil && errors.As(context.Cause(ctx), &stop) && (errors.Is(err, context.Canceled) || errors.As(err, &stop)) {
		return stop
	}
	return nil
}

// changed returns what the stages so far have changed that outlives the container.
func (b *Lifecycle) changed() (changes []string) {
	for _, stage := range b.Report().Stages {
		switch {
		case !b.changes[stage.Name]:
		case stage.State == report.Done:
			changes = append(changes, stage.Name+": "+stage.Detail)
		case stage.State == report.Failed:
			changes = append(changes, stage.Name+": begun, and not brought to its end")
		}
	}
	if changes == nil {
		return []string{"nothing"}
	}
	return changes
}

// fail puts a failure everywhere its reader may look: the report, the status
// port, the termination log, and last the container's log.
func (b *Lifecycle) fail(ctx context.Context, stage string, err error) error {
	failure := report.Explain(stage, err)
	if failure.Changed == nil {
		failure.Changed = b.changed()
	}
	b.over(failure.Line())
	b.started.Close(failure.Line())
	b.Update(func(d *report.Document) { d.State, d.Failure = report.Failed, &failure })
	b.CountFailure(failure)
	failure.Log(b.log)
	// With a limit that low the health checks would end the process, and be its last words.
	if !errors.As(err, new(*processlimit.TooLowError)) {
		b.hold(ctx, failure)
	}
	return cli.Logged(err)
}

// hold keeps the process, with its status port, after a failure that another start
// would not mend. A restart policy would otherwise start it again at once, and nothing
// could be asked between.
func (b *Lifecycle) hold(ctx context.Context, failure report.Failure) {
	limit := b.options.Settings.Hold
	if failure.Retryable || limit <= 0 || b.options.Job != "" || ctx.Err() != nil {
		return
	}
	if b.port == nil {
		if err := b.openStatusPort(); err != nil {
			b.log.Warn("the status port stays shut", "error", err)
		}
	}
	b.log.Info("the container stays up, not ready, to be asked (HOLD_AFTER_FAILURE); then it ends with the exit code above", "for", limit,
		"ask", place.Here().Exec(b.options.Service, b.options.Service+"-entrypoint status"))
	pause.For(ctx, limit)
}

package convex

import (
	"context"
	"errors"
	"strings"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

const terminationLog = "/dev/termination-log"

// bootError ends a boot, with what the reader can do about it.
type bootError struct {
	code    int
	message string
	cause   string
	fix     string
}

func (e *bootError) Error() string { return e.message }

// ExitCode is the exit code the error stands for.
func (e *bootError) ExitCode() int { return e.code }

// end tells a requested stop, which is no failure at any stage, from one.
func (b *Boot) end(ctx context.Context, stage string, err error) error {
	var stop *supervise.StopRequested
	if errors.As(context.Cause(ctx), &stop) && (errors.Is(err, context.Canceled) || errors.As(err, &stop)) {
		b.notReady("stopped")
		b.report.Update(func(d *report.Document) { d.State = report.Done })
		b.log.Info("convex is stopped before it was ready", "stage", stage)
		return nil
	}
	return b.fail(stage, err)
}

// fail puts a failure everywhere its reader may look: the report, the status
// port, the termination log, and last the container's log.
func (b *Boot) fail(stage string, err error) error {
	failure := b.failureOf(stage, err)
	b.notReady("failed at " + stage)
	b.started.Close("failed at " + stage)
	b.report.Update(func(d *report.Document) { d.State, d.Failure = report.Failed, &failure })
	if writeErr := report.WriteTerminationLog(terminationLog, failure); writeErr != nil {
		b.log.Warn("no termination log", logging.Err(writeErr))
	}
	for line := range strings.Lines(failure.Text()) {
		b.log.Error(strings.TrimRight(line, "\n"))
	}
	return cli.Logged(err)
}

func (b *Boot) failureOf(stage string, err error) report.Failure {
	failure := report.Failure{Stage: stage, Message: err.Error(), ExitCode: exit.Code(err)}
	failure.Retryable = failure.ExitCode == exit.Unavailable
	var problems config.Problems
	var boot *bootError
	switch {
	case errors.As(err, &problems):
		failure.Cause = "the environment of this container is not usable as it is"
		failure.Fix = []string{"correct the variables in .env or the compose file, then: docker compose up -d"}
	case errors.As(err, &boot):
		failure.Cause, failure.Fix = boot.cause, []string{boot.fix}
	case stage == stageBackend:
		if crash := b.backend.lastCrash(); crash != nil {
			failure.Cause, failure.Fix, failure.Retryable = crash.Cause, []string{crash.Fix}, true
		}
	}
	return failure
}

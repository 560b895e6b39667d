package platform

import (
	"errors"
	"strings"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push"
	"github.com/tale-project/tale-runtime/internal/report"
)

// fail puts a failure everywhere its reader may look: the report, the status
// port, the termination log, and last the container's log.
func (b *Boot) fail(stage string, err error) error {
	failure := failureOf(stage, err)
	b.ready.Close("failed at " + stage)
	b.started.Close("failed at " + stage)
	b.report.Update(func(d *report.Document) { d.State, d.Failure = report.Failed, &failure })
	b.metrics.failures.WithLabelValues(failure.Stage, failure.Code).Inc()
	if writeErr := report.WriteTerminationLog(terminationLog, failure); writeErr != nil {
		b.log.Warn("no termination log", logging.Err(writeErr))
	}
	for line := range strings.Lines(failure.Text()) {
		b.log.Error(strings.TrimRight(line, "\n"))
	}
	return cli.Logged(err)
}

func failureOf(stage string, err error) report.Failure {
	var pushed *push.Failure
	if errors.As(err, &pushed) {
		return pushed.Report()
	}
	failure := report.Failure{Stage: stage, Message: err.Error(), ExitCode: exit.Code(err)}
	var problems config.Problems
	if errors.As(err, &problems) {
		failure.Cause = "the environment of this container is not usable as it is"
		failure.Fix = []string{"correct the variables in .env or the compose file, then: docker compose up -d"}
	}
	switch failure.ExitCode {
	case exit.Usage, exit.DeployRefused, exit.NoPermission, exit.Config, exit.NotExecutable, exit.NotFound:
	default:
		failure.Retryable = true
	}
	return failure
}

package platform

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/push"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// The deployment is asked for longer than the backend needs to load all code into
// its memory, which the first function after its start waits for.
const (
	runningTries = 3
	runningWait  = time.Second
)

// warnUnlessRunning looks, once the web server is ready, whether the deployment
// runs functions: a paused one takes a push like any other, and one that has lost
// its packages or whose database is too new is green everywhere else. It is for
// the operator to decide, so readiness stays.
func (b *Boot) warnUnlessRunning(ctx context.Context) {
	var said string
	wait := backoff.NewExponentialBackOff(backoff.WithInitialInterval(runningWait))
	err := backoff.Retry(func() (err error) {
		said, err = push.CheckRunning(ctx, b.client, b.ran)
		if observed, ok := errors.AsType[*diagnosis.Error](err); ok && observed.Condition == diagnosis.ConditionNotRunning {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(backoff.WithMaxRetries(wait, runningTries-1), ctx))
	switch {
	case ctx.Err() != nil:
	case err != nil:
		o := diagnosis.Observe(backend.StageRunFunction, err)
		b.log.Warn("the deployment runs no functions; the web server goes on", "cause", diagnosis.Diagnose(o).Cause,
			"reason", b.redactor().Redact(o.Summary()), "fix", place.Here().Run("platform", "doctor"))
	default:
		b.log.Debug("the deployment runs functions", "seen", said)
	}
}

// checkRunning returns the same for the doctor.
func (s *session) checkRunning(ctx context.Context) (string, error) {
	said, err := push.CheckRunning(ctx, s.client, "")
	if err == nil {
		return said, nil
	}
	found := diagnosis.Diagnose(diagnosis.Observe(backend.StageRunFunction, err))
	return "", doctor.Warning(doctor.WithFix(explain(backend.StageRunFunction, err), strings.Join(found.Fix, "; ")))
}

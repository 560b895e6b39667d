package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// afterDeployLimit is how long a function after a deploy may run. The backend
// itself gives up after HTTP_SERVER_TIMEOUT_SECONDS, 300 s unless it is raised.
const afterDeployLimit = 600 * time.Second

// AfterDeploy is a function of the deployment that is run after a deploy
// (CONVEX_RUN_AFTER_DEPLOY).
type AfterDeploy struct {
	Function string
	Redact   *redact.Redactor
	OnWait   func(reason string) // gets why the function is still waited for; may be nil

	remind time.Duration // 0: remindEvery
}

// Run runs the function, logs what it printed and what came of it, and returns that for the
// report. It is never fatal: such a function makes up for old data and can run at the next
// start.
func (a AfterDeploy) Run(ctx context.Context, log *slog.Logger, client *backend.Client) trace.AfterDeploy {
	redact, function := a.Redact, a.Function
	log = log.With("function", function)
	log.Info("running a function after the deploy")
	started := time.Now()
	stop := a.remindOf(ctx, log)
	result, err := client.Function(ctx, afterDeployLimit, function, nil)
	stop()
	done := trace.AfterDeploy{Function: function, DurationMS: time.Since(started).Milliseconds()}
	for _, line := range append(result.LogLines, functionLog(err)...) {
		log.Info("function log", "line", redact.Redact(line))
	}
	if err == nil {
		log.Info("the function after the deploy is done", "ms", done.DurationMS)
		return done
	}
	done.Error = redact.Redact(explainFunction(err))
	done.Fix = "CONVEX_RUN_AFTER_DEPLOY names a pushed function as module:function, or is off; one that threw is to be mended, and runs again at " + place.Here().Restart("platform")
	log.Warn("the function after the deploy failed; the platform goes on", "error", done.Error, "ms", done.DurationMS, "fix", done.Fix)
	return done
}

// remindOf says again and again that the function runs, until stop is called.
func (a AfterDeploy) remindOf(ctx context.Context, log *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	started, every := time.Now(), cmp.Or(a.remind, remindEvery)
	var reminding sync.WaitGroup
	reminding.Go(func() {
		for pause.For(ctx, every) {
			since := time.Since(started).Round(time.Second)
			log.Warn("the function after the deploy has not ended; the platform waits for it", "since", since, "limit", afterDeployLimit,
				"fix", place.Here().Tail(50, "convex")+" (what does it do?); "+place.Here().Set("CONVEX_RUN_AFTER_DEPLOY=off", "platform")+" starts without it")
			if a.OnWait != nil {
				a.OnWait(fmt.Sprintf("the function %s (CONVEX_RUN_AFTER_DEPLOY) has run for %s", a.Function, since))
			}
		}
	})
	return func() {
		cancel()
		reminding.Wait()
	}
}

func functionLog(err error) []string {
	if failed, ok := errors.AsType[*backend.FunctionError](err); ok {
		return failed.LogLines
	}
	return nil
}

// explainFunction returns the function's own error as it is, or what kept it from
// running, with the catalogue's explanation.
func explainFunction(err error) string {
	if failed, ok := errors.AsType[*backend.FunctionError](err); ok {
		return failed.Message
	}
	o := diagnosis.Observe(backend.StageRunFunction, err)
	if o.Transport == netcause.Timeout || o.Transport == netcause.Silent {
		o.Condition, o.Limit = diagnosis.ConditionStageTimeout, afterDeployLimit
	}
	return o.Summary() + ": " + diagnosis.Diagnose(o).Cause
}

package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/push"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// awaitFunctions waits until the backend has the functions that this release comes with:
// where a job pushes, nothing else keeps new pages from old functions. Nothing is asked for an
// image without a push request, nor where the convex CLI pushes, of which nobody knows
// before what it makes of the app.
func (b *Boot) awaitFunctions(ctx context.Context) (string, error) {
	if b.settings.Deploy.Driver == "cli" {
		return "not looked at: CONVEX_DEPLOY_DRIVER is cli", nil
	}
	request, err := requestfile.Open(b.settings.Deploy.PushRequest)
	if errors.Is(err, fs.ErrNotExist) {
		return "not looked at: there is no push request", nil
	}
	if err != nil {
		return "", diagnosis.Observation{Stage: backend.StageBundle, Condition: diagnosis.ConditionRequestUnusable, Message: err.Error()}.Err()
	}
	defer func() { _ = request.Close() }()
	err = b.Shown(stageFunctions, pushWait(b.settings.Deploy.Max)).Until(ctx, b.log, func(ctx context.Context) error {
		why, err := push.Missing(ctx, b.client, request)
		if err == nil && why != "" {
			err = errors.New(why)
		}
		return err
	})
	if gaveUp, ok := errors.AsType[*health.GaveUpError](err); ok {
		return "", notPushed(gaveUp).Err(gaveUp)
	}
	return "the last push was of this release", err
}

// pushWait returns the wait for a push by another.
func pushWait(limit time.Duration) health.Wait {
	const tryLimit = 15 * time.Second // as long as a push looks for what is deployed
	return health.Wait{
		What: "a push of this release", Timeout: limit, Variable: "CONVEX_DEPLOY_MAX", TryLimit: tryLimit,
		Fix: "look whether it has failed: " + place.Here().PushLog() + "; if it is done, another release was pushed since: " + place.Here().PushAgain(),
	}
}

// notPushed returns what a boot says of functions that did not come.
func notPushed(e *health.GaveUpError) report.Failure {
	return report.New(exit.Unavailable,
		fmt.Sprintf("the backend does not have the functions of this release: gave up after %s", e.Elapsed.Round(time.Second)),
		"the last attempt said: "+netcause.Reason(e.Last)+"; the push of this release has failed, is not done, or was followed by that of another",
		"read why in "+place.Here().PushLog(),
		"if it is done, another release was pushed since: "+place.Here().PushAgain(),
		"or go back to the release whose functions are there",
		"CONVEX_DEPLOY_DRIVER=cli serves without looking, where something else than a push request decides what is deployed",
		e.Longer())
}

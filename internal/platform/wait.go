package platform

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// wait waits until the backend answers /version.
func (b *Boot) wait(ctx context.Context) (string, error) {
	prober := health.NewProber()
	var version string
	err := b.backendWait(stageWait).Until(ctx, b.log, func(ctx context.Context) (err error) {
		version, err = prober.Get(ctx, b.settings.Backend.ConvexURL+"/version")
		return orStranger(err, hostOf(b.settings.Backend.ConvexURL))
	})
	return stack.BackendAnswers(shorten(version)), orUnreachable(err)
}

// shorten keeps a strange answer from filling the log.
func shorten(text string) string {
	const most = 60
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func (b *Boot) backendWait(stage string) health.Wait {
	return b.Shown(stage, health.Wait{
		What:     "convex at CONVEX_URL=" + b.settings.Backend.ConvexURL,
		Timeout:  b.settings.Backend.WaitTimeout,
		Variable: "CONVEX_WAIT_TIMEOUT",
	})
}

// authenticate mints the admin key and has it checked before anything is
// pushed. A backend that is too old to know the check is asked by the next
// stage, whose first request needs the key too.
func (b *Boot) authenticate(ctx context.Context) (string, error) {
	if err := b.connect(); err != nil {
		return "", err
	}
	err := b.backendWait(stageAuth).Until(ctx, b.log, func(ctx context.Context) error {
		err := b.client.CheckAdminKey(ctx)
		if answer, ok := errors.AsType[*backend.APIError](err); ok {
			err = b.refused(ctx, err, answer)
		} else if errors.As(err, new(*backend.UnexpectedAnswerError)) {
			err = &askAgainError{err, diagnosis.Diagnose(diagnosis.Observe(backend.StageCheckAdminKey, err))}
		}
		return err
	})
	return "instance " + b.settings.Instance.Name, orUnreachable(err)
}

// refused decides on an answer that is no success: a wrong key ends the wait,
// a backend that is still starting does not.
func (b *Boot) refused(ctx context.Context, err error, answer *backend.APIError) error {
	if answer.Status == 404 {
		b.log.Debug("the backend has no route to check a key", "status", answer.Status)
		return nil
	}
	observation := diagnosis.Observe(backend.StageCheckAdminKey, err)
	found := diagnosis.Diagnose(observation)
	if found.Retry != diagnosis.RetryNo {
		return &askAgainError{err, found}
	}
	if name, nameErr := b.client.InstanceName(ctx); nameErr == nil && name != b.settings.Instance.Name {
		found.Cause = fmt.Sprintf("the backend at CONVEX_URL is the instance %q, INSTANCE_NAME here says %q", name, b.settings.Instance.Name)
	}
	return health.Permanent(&diagnosis.Failure{Observation: observation, Diagnosis: found, Changed: b.changed})
}

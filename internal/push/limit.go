package push

import (
	"context"
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
)

// limitError is the cause of an attempt that ran out of time.
type limitError struct {
	condition diagnosis.Condition
	limit     time.Duration
}

func (e *limitError) Error() string {
	return fmt.Sprintf("%s after %s", e.condition, e.limit)
}

// limit ends an attempt: after timeout (CONVEX_DEPLOY_TIMEOUT), which starts anew
// whenever the backend's indexes make progress, and after longest
// (CONVEX_DEPLOY_MAX) in any case.
type limit struct {
	timeout time.Duration
	cancel  context.CancelCauseFunc
	timer   *time.Timer
	longest *time.Timer
}

// newLimit returns a context that ends with a *limitError as its cause. When the
// timeout runs out, condition says what that means.
func newLimit(ctx context.Context, timeout, longest time.Duration, condition func() diagnosis.Condition) (context.Context, *limit) {
	ctx, cancel := context.WithCancelCause(ctx)
	l := &limit{timeout: timeout, cancel: cancel}
	l.timer = time.AfterFunc(timeout, func() { cancel(&limitError{condition: condition(), limit: timeout}) })
	l.longest = time.AfterFunc(max(timeout, longest), func() { cancel(&limitError{condition: diagnosis.ConditionDeployMax, limit: longest}) })
	return ctx, l
}

// extend starts the timeout anew.
func (l *limit) extend() { l.timer.Reset(l.timeout) }

// stop frees the timers.
func (l *limit) stop() {
	l.timer.Stop()
	l.longest.Stop()
	l.cancel(nil)
}

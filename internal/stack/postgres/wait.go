package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
)

// Wait returns how WaitReady waits.
func (l Login) Wait(timeout time.Duration) health.Wait {
	return health.Wait{What: "Postgres at " + l.Server.Address(), Timeout: timeout, Variable: "CONVEX_WAIT_TIMEOUT", TryLimit: loginTimeout}
}

// WaitReady logs in until it works, the deadline passes, or the server says
// something that waiting does not cure.
func (l Login) WaitReady(ctx context.Context, log *slog.Logger, wait health.Wait) (Facts, error) {
	var facts Facts
	var patience patience
	err := wait.Until(ctx, log, func(ctx context.Context) error {
		var err error
		facts, err = l.Try(ctx)
		return patience.judge(err, time.Now())
	})
	var late *health.GaveUpError
	if errors.As(err, &late) {
		err = &lateError{late}
	}
	return facts, err
}

// patience remembers since when logins fail for one cause, and ends the wait when
// that cause has lasted too long.
type patience struct {
	cause cause
	since time.Time
}

func (p *patience) judge(err error, now time.Time) error {
	var failed *loginError
	if !errors.As(err, &failed) {
		return err
	}
	if failed.Cause != p.cause {
		p.cause, p.since = failed.Cause, now
	}
	if now.Sub(p.since) >= remedyFor(failed.Cause).patience {
		return health.Permanent(failed)
	}
	return failed
}

// Describe returns what the backend is going to use, for the log.
func (f Facts) Describe(login Login) string {
	security := "without TLS"
	if f.TLS {
		security = "with TLS"
	}
	return fmt.Sprintf("Postgres %s at %s, database %s, %s", f.Version, login.Server.Address(), login.Database, security)
}

package convex

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack/postgres"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	databaseEvery = 5 * time.Second
	// refusedEvery is the pause after a login that was refused: there are servers that shut out
	// an address after some of them.
	refusedEvery = 5 * time.Minute
	// lostAfter is how many tries in a row fail before that counts: a restart of the server
	// takes less, and so does a name server that stumbles.
	lostAfter = 3
)

// databaseWatch looks whether Postgres answers while the backend runs. Without its database the
// backend answers probes as before, and no function.
type databaseWatch struct {
	log            *slog.Logger
	answers        func(context.Context) error // postgres.Login.Answers
	every, refused time.Duration               // pauses, the second one after a refused login

	mu   sync.Mutex
	lost error
}

// run looks until ctx ends.
func (w *databaseWatch) run(ctx context.Context) {
	var since time.Time
	var refusal *postgres.RefusedError
	every, failures := w.every, 0
	for pause.For(ctx, every) {
		err := w.answers(ctx)
		if ctx.Err() != nil {
			return
		}
		before := refusal
		refusal, _ = errors.AsType[*postgres.RefusedError](err)
		every = w.afterwards(before, refusal)
		switch {
		case err != nil && refusal == nil:
			if failures++; failures == 1 {
				since = time.Now()
			}
			if failures >= lostAfter {
				w.lose(err)
			}
		default:
			failures = 0
			w.found(since)
		}
	}
}

// afterwards returns the pause before the next try, and logs the first one of several logins that
// are refused.
func (w *databaseWatch) afterwards(before, refusal *postgres.RefusedError) time.Duration {
	if refusal == nil {
		return w.every
	}
	if before == nil {
		w.log.Warn("Postgres refuses the login now: the backend has the connections it has, and its next start will fail", "reason", refusal.Problem, "fix", refusal.Fix)
	}
	return w.refused
}

// lose notes why Postgres does not answer, and logs it once.
func (w *databaseWatch) lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost == nil {
		w.log.Error("new logins to Postgres fail, and without it the backend runs no function", "reason", err)
	}
	w.lost = err
}

func (w *databaseWatch) found(since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost != nil {
		w.log.Info("Postgres answers again", "after", time.Since(since).Round(time.Second))
	}
	w.lost = nil
}

// Lost returns why Postgres does not answer, nil if it does or there is none.
func (w *databaseWatch) Lost() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

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

// run looks until ctx ends. A refused login is no lost server, as the backend goes on with the
// connections that it has; after a loss it has none, and a refusal is as bad.
func (w *databaseWatch) run(ctx context.Context) {
	var since time.Time
	refusing, failures, every := false, 0, w.every
	for pause.For(ctx, every) {
		err := w.answers(ctx)
		if ctx.Err() != nil {
			return
		}
		refusal, refused := errors.AsType[*postgres.RefusedError](err)
		refused = refused && failures == 0
		switch {
		case refused:
			w.refusal(refusal, refusing)
		case err != nil:
			if failures++; failures == 1 {
				since = time.Now()
			}
			if failures >= lostAfter {
				w.lose(err)
			}
		default:
			failures = 0
			w.found(since, refusing)
		}
		refusing = refused || refusing && err != nil
		if every = w.every; refused {
			every = w.refused
		}
	}
}

// refusal logs the first one of several logins that are refused.
func (w *databaseWatch) refusal(refusal *postgres.RefusedError, refusing bool) {
	if !refusing {
		w.log.Warn("Postgres refuses the login now: the backend has the connections it has, and its next start will fail", "reason", refusal.Problem, "fix", refusal.Fix)
	}
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

func (w *databaseWatch) found(since time.Time, refusing bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.lost != nil:
		w.log.Info("Postgres answers again", "after", time.Since(since).Round(time.Second))
	case refusing:
		w.log.Info("Postgres takes the login again")
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

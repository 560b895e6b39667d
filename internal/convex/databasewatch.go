package convex

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	databaseEvery = 5 * time.Second
	// lostAfter is how many tries in a row fail before that counts: a restart of the server
	// takes less, and so does a name server that stumbles.
	lostAfter = 3
)

// databaseWatch looks whether Postgres answers while the backend runs. Without its database the
// backend answers probes as before, and no function.
type databaseWatch struct {
	log     *slog.Logger
	answers func(context.Context) error // postgres.Login.Answers
	every   time.Duration

	mu   sync.Mutex
	lost error
}

// run looks until ctx ends.
func (w *databaseWatch) run(ctx context.Context) {
	var since time.Time
	for failures := 0; pause.For(ctx, w.every); {
		err := w.answers(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
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

// lose notes why Postgres does not answer, and logs it once.
func (w *databaseWatch) lose(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost == nil {
		w.log.Error("Postgres does not answer, and without it the backend runs no function", "reason", err)
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

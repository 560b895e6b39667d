package convex

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A server that goes away and comes back is noticed, and said once each time; one that misses some
// tries is not lost.
func TestWatchingTheDatabase(t *testing.T) {
	gone := errors.New("nothing listens on that port")
	tries := make(chan error)
	var log testkit.Buffer
	w := &databaseWatch{log: slog.New(slog.NewTextHandler(&log, nil)), every: time.Nanosecond, answers: func(ctx context.Context) error {
		select {
		case err := <-tries:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { w.run(ctx) })
	defer watching.Wait()
	defer stop()
	for i, try := range []struct{ answer, lost error }{{nil, nil}, {gone, nil}, {gone, nil}, {nil, nil}, {gone, nil}, {gone, nil}, {gone, gone}, {gone, gone}, {nil, nil}} {
		tries <- try.answer
		if try.lost == nil && i < 7 {
			continue // what is not lost stays so
		}
		testkit.Eventually(t, "it is known", func() bool { return errors.Is(w.Lost(), try.lost) })
	}
	said := log.String()
	if strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, "Postgres does not answer, and without it the backend runs no function") || strings.Count(said, "Postgres answers again") != 1 {
		t.Error(said)
	}
	if (*databaseWatch)(nil).Lost() != nil {
		t.Error("without a database there is one to lose")
	}
}

// What keeps a backend that runs from being ready is named by what it lacks.
func TestWhyABackendIsNotReady(t *testing.T) {
	b := &Boot{database: &databaseWatch{}}
	w := &backendWatch{boot: b}
	if got := w.whyNotReady(); got != "the backend does not answer" {
		t.Error(got)
	}
	w.lost = errors.New("the folder was deleted")
	if got := w.whyNotReady(); got != "the folder was deleted" {
		t.Error(got)
	}
	b.database.lost = errors.New("it accepts connections but does not answer")
	if got := w.whyNotReady(); got != "Postgres does not answer the backend: it accepts connections but does not answer" {
		t.Error(got)
	}
}

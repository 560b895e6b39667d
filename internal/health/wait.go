package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"
)

const (
	firstPause = 20 * time.Millisecond
	longPause  = time.Second
	// defaultTryLimit bounds one probe, so that a host that swallows packets
	// costs seconds and not the whole deadline.
	defaultTryLimit = 3 * time.Second
)

// Wait is a wait for one dependency: probe at once, then with growing pauses,
// until it answers or the deadline passes.
type Wait struct {
	// What is waited for, with its address: "convex at http://convex:3210".
	What string
	// Timeout is the deadline for all probes together.
	Timeout time.Duration
	// Variable is the setting that raises the deadline.
	Variable string
	// Fix is what to do about a wait that lasts, for the log; "" for nothing.
	Fix string
	// TryLimit bounds one probe; 0 means 3 s.
	TryLimit time.Duration
	// OnAttempt is told about each probe, and OnFailure why it has failed, if set.
	OnAttempt func(n int)
	OnFailure func(err error)
}

// permanent marks a probe error that no waiting will cure.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks a probe's error as one that ends the wait at once.
func Permanent(err error) error { return permanent{err} }

// Until probes until probe returns nil. The error says how long and how often
// it tried and what the last probe said (*GaveUpError, exit code 69), unless the
// probe ended the wait with a Permanent error, which keeps its exit code. A cancelled ctx is
// returned as its own error.
func (w Wait) Until(ctx context.Context, log *slog.Logger, probe func(context.Context) error) error {
	started := time.Now()
	deadline, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	pauses := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause),
		backoff.WithMaxInterval(longPause), backoff.WithMaxElapsedTime(0))
	progress := progressLog{log: log, what: w.What, began: started, limit: w.Timeout, variable: w.Variable, fix: w.Fix}
	var last error
	for attempt := 1; ; attempt++ {
		if w.OnAttempt != nil {
			w.OnAttempt(attempt)
		}
		err := w.try(deadline, probe)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("cannot wait for %s: %w", w.What, context.Cause(ctx))
		}
		if end, ok := errors.AsType[permanent](err); ok {
			return fmt.Errorf("cannot use %s: %w", w.What, end.error)
		}
		// A probe that only the deadline cut short says nothing new. A connection may
		// notice it a moment before the context does, so the clock is asked.
		if end, _ := deadline.Deadline(); time.Now().Before(end) || last == nil {
			last = err
		}
		progress.tell(last, attempt)
		if w.OnFailure != nil {
			w.OnFailure(last)
		}
		select {
		case <-deadline.Done():
			if ctx.Err() != nil {
				return fmt.Errorf("cannot wait for %s: %w", w.What, context.Cause(ctx))
			}
			return &GaveUpError{Wait: w, Elapsed: time.Since(started), Attempts: attempt, Last: last}
		case <-time.After(pauses.NextBackOff()):
		}
	}
}

func (w Wait) try(ctx context.Context, probe func(context.Context) error) error {
	limit := w.TryLimit
	if limit == 0 {
		limit = defaultTryLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return probe(ctx)
}

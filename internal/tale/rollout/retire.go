package rollout

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
)

// clear removes what earlier runs have left under the names of the new colours, and in the
// place of what does not rotate.
func (r *rollout) clear(ctx context.Context) error {
	for _, project := range compose.Projects(r.plan.Project) {
		if err := r.Engine.Settle(ctx, project); err != nil {
			return err
		}
	}
	return r.remove(ctx, false)
}

func (r *rollout) remove(ctx context.Context, after bool) error {
	for _, left := range r.plan.Remove {
		if left.After != after {
			continue
		}
		r.tell(Event{Kind: Progress, Service: left.Name, Text: "is removed: " + left.Why})
		if err := r.dispose(ctx, left.Container); err != nil {
			return err
		}
	}
	return nil
}

// dispose stops and removes a container that serves nothing.
func (r *rollout) dispose(ctx context.Context, id string) error {
	if err := r.stop(ctx, "", id); err != nil {
		return err
	}
	return r.Engine.Remove(ctx, id)
}

// stop stops a container with its own grace, and says that it goes on.
func (r *rollout) stop(ctx context.Context, service, id string) error {
	done := make(chan error, 1)
	go func() { done <- r.Engine.Stop(ctx, id, 0) }()
	remind := r.reminder(service)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			remind.progress("stopping; what it has under way may take its grace")
		}
	}
}

// retire stops what the new colours have replaced, with the grace that each container
// has, and what is not asked for any more. It goes on whatever fails: the site is served.
func (r *rollout) retire(ctx context.Context) error {
	var retired []Change
	for _, c := range r.plan.Changes {
		if c.Retire != "" {
			retired = append(retired, c)
		}
	}
	if len(retired) > 0 {
		r.begin("drain")
	}
	var mu sync.Mutex
	var group errgroup.Group
	var failed []error
	for _, c := range retired {
		group.Go(func() error {
			began := time.Now()
			err := r.stop(ctx, stack.Coloured(c.Service, stack.OtherColour(c.Colour)), c.Retire)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = append(failed, fmt.Errorf("%w; stop it by hand: docker stop %s", err, c.Retire[:min(12, len(c.Retire))]))
				return nil
			}
			r.note(stack.Coloured(c.Service, stack.OtherColour(c.Colour)), fmt.Sprintf("has drained and stopped in %s", time.Since(began).Round(100*time.Millisecond)))
			return nil
		})
	}
	_ = group.Wait() // it collects its errors
	if err := r.remove(ctx, true); err != nil {
		failed = append(failed, err)
	}
	if len(retired) > 0 {
		r.end("")
	}
	if r.migrated {
		if err := r.Migrations.Done(ctx); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		return &LeftError{errors.Join(failed...)}
	}
	return nil
}

// LeftError is what could not be cleared away after a switch that is done.
type LeftError struct{ error }

func (e *LeftError) Unwrap() error { return e.error }

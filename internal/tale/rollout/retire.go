package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize/english"
	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
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

// FallenError is a release that was visited, replaced what served before, and has ended or does
// not answer since.
type FallenError struct {
	Fallen []string // services, with what became of each, or the site
	Back   string   // what goes back to the release before, "" if there is none
	Left   error    // what could not be cleared away besides, if anything
}

func (e *FallenError) Error() string {
	text := "the new release has failed since it was visited: " + strings.Join(e.Fallen, "; ")
	if e.Back != "" {
		text += "; `" + e.Back + "` goes back to what served before"
	}
	if e.Left != nil {
		text += fmt.Sprintf("; and this stays to be done: %v", e.Left)
	}
	return text
}

// ExitCode returns exit.Degraded.
func (e *FallenError) ExitCode() int { return exit.Degraded }

// start is what a new colour has by when it is ready.
type start struct {
	began    time.Time // of its process
	restarts int       // of the web server in it, which its entrypoint starts again by itself
}

// starts returns those of the new colours, by container.
func (r *rollout) starts(ctx context.Context) map[string]start {
	starts := map[string]start{}
	for _, c := range r.plan.Changes {
		if container, there := r.newColour(ctx, c); there {
			starts[container.ID] = start{container.State.Started, r.webServer(ctx, container).Restarts}
		}
	}
	return starts
}

// webServer returns what a new colour says of its web server; of none that cannot be asked now,
// and of none of another image.
func (r *rollout) webServer(ctx context.Context, container engine.Container) status.Child {
	document, _ := bootReport(ctx, r.Engine, container)
	if document == nil {
		return status.Child{}
	}
	return webServer(*document)
}

// newColour looks at what a change has brought beside the colour before it. An engine that
// cannot be asked now says nothing of it.
func (r *rollout) newColour(ctx context.Context, c Change) (container engine.Container, there bool) {
	if c.Action == Keep || c.Colour == "" {
		return container, false
	}
	service, known := r.Model.Service(c.Service, c.Colour)
	if !known {
		return container, false
	}
	container, err := r.Engine.Inspect(ctx, service.Container)
	return container, err == nil
}

// stands looks once more at the new colours, after those before them have drained: a release may
// end as soon as it has visitors, and come again and again, or live on and not answer.
func (r *rollout) stands(ctx context.Context, left error) error {
	fallen := &FallenError{Left: left}
	for _, c := range r.plan.Changes {
		container, there := r.newColour(ctx, c)
		if !there {
			continue
		}
		before, known := r.ready[container.ID]
		name, ended := stack.Coloured(c.Service, c.Colour), ""
		if state := container.State; !state.Running || state.Restarting || known && !before.began.Equal(state.Started) {
			ended = fmt.Sprintf("%s has ended with exit code %d and is %s now", name, r.lastCode(container), state.Status)
		} else if web := r.webServer(ctx, container); known && web.Restarts > before.restarts {
			ended = fmt.Sprintf("the web server of %s has ended %s, last with %s", name, english.Plural(web.Restarts-before.restarts, "time", ""), web.LastExit)
		}
		if ended != "" {
			fallen.Fallen = append(fallen.Fallen, fmt.Sprintf("%s (`tale logs %s` says why)", ended, c.Service))
		}
		if c.Service == stack.Platform && c.Retire != "" && c.From != nil {
			fallen.Back = "tale rollback"
		}
	}
	if len(fallen.Fallen) == 0 && fallen.Back != "" {
		if err := r.visitAgain(ctx); err != nil {
			fallen.Fallen = []string{err.Error() + " (`tale logs platform` says why)"}
		}
	}
	if len(fallen.Fallen) == 0 {
		return left
	}
	return fallen
}

// lastCode returns with what a container has ended last: one that runs again does not say.
func (r *rollout) lastCode(container engine.Container) int {
	if deaths, _ := r.watch.of(container, container.Restarts, time.Time{}); len(deaths) > 0 {
		return deaths[len(deaths)-1].code
	}
	return container.State.ExitCode
}

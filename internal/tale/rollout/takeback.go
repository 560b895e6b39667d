package rollout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// FailedError is a deploy that did not reach its end.
type FailedError struct {
	Stage string
	Cause error
	Notes []string // what was not touched, what stays, what to do
	Stuck []string // what could not be taken back
}

func (e *FailedError) Error() string {
	text := fmt.Sprintf("failed at %s: %v", e.Stage, e.Cause)
	if errors.Is(e.Cause, context.Canceled) {
		text = fmt.Sprintf("%v at %s", e.Cause, e.Stage)
	}
	if len(e.Stuck) > 0 {
		text += "; and not all could be taken back: " + strings.Join(e.Stuck, "; ")
	}
	return text
}

func (e *FailedError) Unwrap() error { return e.Cause }

// ExitCode returns the code of the command.
func (e *FailedError) ExitCode() int {
	var notReady *NotReadyError
	switch {
	case len(e.Stuck) > 0:
		return exit.Stuck
	case errors.Is(e.Cause, context.Canceled):
		return exit.Interrupted
	case errors.As(e.Cause, &notReady):
		return notReady.code()
	}
	return exit.Code(e.Cause)
}

// Text returns the failure for people.
func (e *FailedError) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "FAILED at %s\n", e.Stage)
	var notReady *NotReadyError
	if errors.As(e.Cause, &notReady) {
		fmt.Fprintf(&b, "  %s\n", notReady.Text())
	} else {
		fmt.Fprintf(&b, "  %v\n", e.Cause)
	}
	for _, note := range e.Notes {
		fmt.Fprintf(&b, "  %s\n", note)
	}
	for _, stuck := range e.Stuck {
		fmt.Fprintf(&b, "  NOT TAKEN BACK  %s\n", stuck)
	}
	return strings.TrimRight(b.String(), "\n")
}

// takeBack makes the engine serve as before: what failed is hidden from the others at
// once, then its evidence is kept, then it is stopped.
func (r *rollout) takeBack(ctx context.Context, cause error) error {
	failed := &FailedError{Stage: cmp.Or(r.teller.stage, "the beginning"), Cause: cause}
	said, _, _ := strings.Cut(cause.Error(), "\n")
	r.tell(Event{Kind: Failed, Text: said})
	if len(r.started)+len(r.replaced) > 0 || r.migrated {
		r.awaitEngine(ctx)
	}
	var hidden []engine.Container
	for _, c := range slices.Backward(r.started) {
		container, err := r.hide(ctx, c)
		switch {
		case err != nil:
			failed.Stuck = append(failed.Stuck, err.Error())
		case container.ID != "":
			hidden = append(hidden, container)
		}
	}
	failed.Notes = append(failed.Notes, r.keepEvidence(ctx, cause, hidden)...)
	if len(r.brought) > 0 && !r.stoodStill() {
		failed.Notes = append(failed.Notes, english.WordSeries(r.brought, "and")+" did not run before and "+english.PluralWord(len(r.brought), "stays", "stay")+": the next `"+r.stack().Start()+"` goes on with what there is")
	}
	if len(r.started)+len(r.replaced) == 0 && !r.migrated {
		if len(r.brought) == 0 {
			failed.Notes = append(failed.Notes, "nothing was changed")
		}
		return failed
	}
	r.begin("take back")
	for _, container := range hidden {
		if err := r.withdraw(ctx, container, r.migrated || errors.Is(cause, context.Canceled)); err != nil {
			failed.Stuck = append(failed.Stuck, err.Error())
		}
	}
	for _, c := range slices.Backward(r.replaced) {
		if err := r.putBack(ctx, c); err != nil {
			failed.Stuck = append(failed.Stuck, err.Error())
		}
	}
	if r.migrated {
		if err := r.unmigrate(ctx); err != nil {
			failed.Stuck = append(failed.Stuck, err.Error())
		}
	}
	failed.Notes = append(failed.Notes, r.account()...)
	r.end("")
	return failed
}

// awaitEngine waits for an engine that is away, as while it is restarted: it starts again by
// itself what has failed, which would get visitors then.
func (r *rollout) awaitEngine(ctx context.Context) {
	remind, until := r.reminder(""), time.Now().Add(engineAway)
	for time.Now().Before(until) {
		if _, _, err := r.Engine.Network(ctx, r.Model.Network()); exit.Code(err) != exit.Unavailable {
			return
		}
		remind.progress("the engine does not answer")
		if !pause.For(ctx, lookEvery) {
			return
		}
	}
}

// hide takes a new colour's names away, and returns its container, if there is one. One
// that is offered may have requests under way and drains; any other must not get any
// later.
func (r *rollout) hide(ctx context.Context, c Change) (engine.Container, error) {
	service, _ := r.Model.Service(c.Service, c.Colour)
	container, err := r.Engine.Inspect(ctx, service.Container)
	if engine.IsNotFound(err) {
		return engine.Container{}, nil
	}
	if err == nil && c.Action == Rotate && (!container.State.Running || !r.isOffered(ctx, container)) {
		err = r.Engine.Disconnect(ctx, r.Model.Network(), container.ID)
	}
	return container, err
}

// withdraw stops a new colour.
func (r *rollout) withdraw(ctx context.Context, container engine.Container, remove bool) error {
	name := stack.Coloured(container.Service, container.Colour)
	if err := r.stop(ctx, name, container.ID); err != nil {
		return err
	}
	if remove {
		r.note(name, "is stopped and removed")
		return r.Engine.Remove(ctx, container.ID)
	}
	r.note(name, "is stopped, and kept to be looked into: docker logs "+container.Name)
	return nil
}

func (r *rollout) isOffered(ctx context.Context, container engine.Container) bool {
	proxy, there, err := r.proxy(ctx)
	if !there || err != nil {
		return false
	}
	serving, err := askProxy(ctx, r.Engine, proxy)
	address, _ := serving.Of(container)
	return err == nil && address.Serving
}

// putBack makes a service again as it was before it was replaced in place.
func (r *rollout) putBack(ctx context.Context, c Change) (err error) {
	service, _ := r.Model.Service(c.Service, "")
	name := []string{"compose", service.Project + ".yml"}
	path := r.Project.Path(name...)
	if file, known := r.files[c.Service]; known {
		err = r.Project.Write(file, name...)
	} else {
		path, err = r.Model.Write(service.Project, map[string]compose.Pin{service.Name: {Image: c.From.ImageID, Version: c.From.Version}})
	}
	if err != nil {
		return err
	}
	err = r.Engine.Settle(ctx, service.Project)
	if err == nil {
		err = r.Engine.Up(ctx, engine.UpOptions{File: path, Project: service.Project, Services: []string{service.Name}, Recreate: true})
	}
	if err != nil {
		return fmt.Errorf("%s could not be put back: %w", service.Name, err)
	}
	if slices.Contains(r.unwell, c.Service) {
		r.note(service.Name, "is as before: it was not ready then")
		return nil
	}
	if err := r.await(ctx, c); err != nil {
		return fmt.Errorf("%s was put back and is not ready: %w", service.Name, err)
	}
	r.note(service.Name, "is as before")
	return nil
}

// stoodStill reports whether migrations have stopped something, which served before.
func (r *rollout) stoodStill() bool { return r.migrated && r.Migrations.Stopped() }

// unmigrate starts again what the migrations have stopped, once what has its ports and
// was made of the copies is gone.
func (r *rollout) unmigrate(ctx context.Context) error {
	if r.stoodStill() {
		for _, name := range slices.Backward(r.brought) {
			service, _ := r.Model.Service(name, "")
			container, err := r.Engine.Inspect(ctx, service.Container)
			if err == nil {
				err = r.dispose(ctx, container.ID)
			}
			if err != nil && !engine.IsNotFound(err) {
				return err
			}
		}
	}
	return r.Migrations.TakeBack(ctx)
}

// account says what serves now, and which functions are live.
func (r *rollout) account() (notes []string) {
	change, there := r.plan.Of(stack.Platform)
	if r.stoodStill() {
		return []string{"what the migrations had stopped is started again; the volumes that they copied are as they were"}
	}
	if !there || change.From == nil {
		return []string{"there was no earlier release: nothing serves; correct the cause and run it again"}
	}
	colour := change.Colour
	if change.Retire != "" {
		colour = stack.OtherColour(colour)
	}
	name := stack.Coloured(stack.Platform, colour)
	notes = append(notes, fmt.Sprintf("%s, version %s, was not touched", name, change.From.Version))
	if r.live {
		service, _ := r.Model.Service(stack.Platform, colour)
		why := ""
		if !r.pushed {
			why = fmt.Sprintf(": an earlier try has pushed them, or they are those of %s", change.From.Version)
		}
		notes = append(notes, fmt.Sprintf("the functions of version %s are live%s; to bring those of %s back: docker exec %s platform-entrypoint push", change.To.Version, why, change.From.Version, service.Container))
	}
	return notes
}

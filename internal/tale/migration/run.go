package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Run applies the migrations of a plan.
type Run struct {
	Subject
	Plan    Plan
	Version string // of this command, for the log
	Say     func(Event)

	journal journal
}

// Event is something that a run has done, or is about.
type Event struct {
	Subject        string // a volume, a container, a migration
	Text           string
	Passing        bool // it says where a copy is
	Current, Total int64
}

func (r *Run) note(subject, text string) { r.Say(Event{Subject: subject, Text: text}) }

// Stopped reports whether the run, or a killed one before it, has stopped anything.
func (r *Run) Stopped() bool { return len(r.journal.Stopped)+len(r.journal.Moved) > 0 }

// Apply stops what has to stand still and does what the steps say. What it has stopped does not run when it returns: the deploy goes on, or TakeBack is called.
func (r *Run) Apply(ctx context.Context) error {
	if err := r.resume(ctx); err != nil {
		return err
	}
	if len(r.Plan.Steps) == 0 {
		return nil
	}
	if err := r.space(ctx); err != nil {
		return err
	}
	if err := r.stop(ctx); err != nil {
		return err
	}
	for _, step := range r.Plan.Steps {
		i := slices.IndexFunc(Registry(), func(m Migration) bool { return m.ID == step.ID })
		began := time.Now()
		if err := Registry()[i].Apply(r, ctx, step); err != nil {
			return fmt.Errorf("cannot migrate (%s): %w", step.ID, err)
		}
		r.journal.Applied = append(r.journal.Applied, step.ID)
		if err := r.write(); err != nil {
			return err
		}
		r.note(step.ID, fmt.Sprintf("is applied after %s", time.Since(began).Round(100*time.Millisecond)))
	}
	return nil
}

// Done logs the migrations and forgets how to take them back: the new release serves
// from them. It says what may be removed now. The log is production's, where volumes are taken for
// migrated by it.
func (r *Run) Done(ctx context.Context) error {
	errs := []error{r.sweep(ctx)}
	if !r.Development {
		errs = append(errs, r.Project.LogMigrations(r.Version, r.journal.Applied, nil))
	}
	for _, moved := range append(r.journal.Moved, r.journal.Replaced...) {
		errs = append(errs, r.Engine.Remove(ctx, moved.Container))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, c := range append(r.journal.Served, r.journal.Made...) {
		if slices.Contains(r.Adopt, c.To) {
			continue // it may be no copy of all
		}
		r.note(c.From, fmt.Sprintf("stays as it was; once the new release has proved itself: docker volume rm %s (frees %s)", c.From, humanize.Bytes(uint64(c.Bytes))))
	}
	return r.forget()
}

// sweep removes the helpers that killed runs have left on the project's volumes and on
// those that were copied: nobody could remove these otherwise. No other tale works on
// them while the project is locked.
func (r *Run) sweep(ctx context.Context) error {
	o, err := Observe(ctx, r.Subject)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range o.containers {
		if engine.IsHelper(c) && !c.State.Running && slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool {
			return strings.HasPrefix(m.Volume, o.id+"_") || strings.HasPrefix(m.Volume, o.legacy+"_")
		}) {
			errs = append(errs, r.Engine.Remove(ctx, c.ID))
		}
	}
	return errors.Join(errs...)
}

// Finish does what is left of a killed run that had come to its end but for Done.
func (r *Run) Finish(ctx context.Context) error {
	if err := r.resume(ctx); err != nil {
		return err
	}
	return r.Done(ctx)
}

// space refuses to begin copies that do not fit.
func (r *Run) space(ctx context.Context) error {
	need, err := r.Plan.Room()
	if err != nil || need == 0 {
		return err
	}
	free, _, err := r.Engine.DiskFree(ctx)
	if err != nil {
		return err
	}
	if free < need {
		return exit.Errorf(exit.Unavailable, "cannot migrate: the engine's disk has %s free, and the copies need %s: free some, `tale cleanup --dry-run` shows what it can", humanize.Bytes(uint64(free)), humanize.Bytes(uint64(need)))
	}
	return nil
}

// stop stops what the steps need to stand still: what others call comes last.
func (r *Run) stop(ctx context.Context) error {
	r.journal.Adopted = r.Adopt
	order := slices.Clone(r.Plan.Stops)
	slices.SortStableFunc(order, func(a, b engine.Container) int { return cmp.Compare(rank(b.Service), rank(a.Service)) })
	for _, c := range order {
		if !slices.ContainsFunc(r.journal.Stopped, func(s stopped) bool { return s.Container == c.ID }) {
			r.journal.Stopped = append(r.journal.Stopped, stopped{c.ID, c.Name, c.Service})
		}
	}
	if len(order) > 0 {
		if err := r.write(); err != nil {
			return err
		}
	}
	for _, c := range order {
		r.note(c.Name, "is stopped")
		if err := r.Engine.Stop(ctx, c.ID, grace(c)); err != nil {
			return err
		}
	}
	return nil
}

func rank(service string) int {
	return slices.IndexFunc(stack.Services(), func(s stack.Service) bool { return s.Name == service })
}

// grace returns how long a container may take to stop: what its service needs, since the
// first tool gave most of them too little, and its own where that cannot be known.
func grace(c engine.Container) time.Duration {
	if i := rank(c.Service); i >= 0 {
		return stack.Services()[i].Stop
	}
	return 0
}

func (r *Run) copyVolumes(ctx context.Context, s Step) error {
	for _, c := range s.Copies {
		if err := r.copyVolume(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) copyVolume(ctx context.Context, c Copy) error {
	if !slices.ContainsFunc(r.journal.Made, func(made Copy) bool { return made.To == c.To }) {
		r.journal.Made = append(r.journal.Made, c)
	}
	r.journal.Whole = slices.DeleteFunc(r.journal.Whole, func(volume string) bool { return volume == c.To })
	if err := r.write(); err != nil {
		return err
	}
	if err := r.Volumes.Copy(ctx, c, engine.Owned(r.id()), r.Say); err != nil {
		return err
	}
	r.journal.Whole = append(r.journal.Whole, c.To)
	return r.write()
}

// besides is the name of a container that has left its own.
const besides = "-before-migration"

// moveAside takes the name from containers, which another one gets.
func (r *Run) moveAside(ctx context.Context, s Step) error {
	for _, m := range s.Moves {
		r.journal.Moved = append(r.journal.Moved, m)
		if err := r.write(); err != nil {
			return err
		}
		if err := r.Engine.Rename(ctx, m.Container, m.Name+besides); err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) giveAway(ctx context.Context, s Step) error {
	for _, volume := range s.Owns {
		if err := r.Engine.CreateVolume(ctx, volume, engine.Owned(r.id())); err != nil {
			return err
		}
		if err := r.Volumes.Own(ctx, volume); err != nil {
			return err
		}
	}
	return nil
}

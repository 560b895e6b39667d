package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// carryOut prepares, swaps, and starts what ran.
func (r *restoring) carryOut(ctx context.Context, begun bool) error {
	asked := ctx
	r.changing = true
	if r.whole {
		return r.finish(context.WithoutCancel(ctx))
	}
	r.out.Say("unpacking beside what serves")
	err := r.backup.Prepare(ctx, r.target)
	if err == nil {
		r.unpacking.end()
		err = r.stopUsers(ctx)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	// From here on it is as quick to finish as to go back.
	ctx = context.WithoutCancel(ctx)
	swaps := err == nil
	if swaps {
		r.out.Say("swapping")
		err = r.backup.SwapDatabases(ctx)
	}
	// What a killed run has begun may have gone on without it, after this one had looked.
	if err != nil {
		untouched, left := r.backup.TakeBack(ctx)
		if !swaps && !begun || untouched && r.isThere(r.note) {
			return r.takenBack(ctx, session.Interrupted(asked, err), left)
		}
		return r.stuck(err)
	}
	return r.swapVolume(ctx)
}

// swapVolume puts the files in their place, where the databases are, and starts what ran.
func (r *restoring) swapVolume(ctx context.Context) error {
	if err := r.backup.SwapVolume(ctx); err != nil {
		return r.stuck(err)
	}
	return r.finish(ctx)
}

func (r *restoring) stuck(err error) error {
	return exit.Errorf(exit.Stuck, "databases and files are of two moments: `%s` again finishes it: %w", r.same(), err)
}

// same returns what goes on with this run.
func (r *restoring) same() string {
	if r.options.discardOld {
		return discarding
	}
	return console.Quoted("tale restore", r.path)
}

// isThere reports whether the databases are where a restore has noted that it puts them: what was
// put elsewhere is not seen.
func (r *restoring) isThere(note restoringNote) bool { return note.Server == r.backup.Server.Address() }

// takenBack starts what was stopped, after what was prepared is removed but for what is left.
func (r *restoring) takenBack(ctx context.Context, err, left error) error {
	if left == nil {
		left = errors.Join(r.backup.DropRoles(ctx, r.note.Roles), r.unmakeVolume(ctx))
	}
	if left != nil {
		stays := "what was unpacked stays, until the same command goes on with it or `" + discarding + "` removes it"
		if exit.Code(left) == exit.Code(err) && exit.Code(err) == exit.Unavailable { // it is the same cause
			left = errors.New(stays)
		} else {
			left = fmt.Errorf("%s: %w", stays, left)
		}
	}
	u := r.startAgain(ctx)
	if u.unstarted != nil {
		u.unstarted = fmt.Errorf("the data are as before, and `tale deploy` starts what was stopped: %w", u.unstarted)
	}
	if left != nil && r.note.Made { // it would hide that the data are gone
		return errors.Join(err, left, u.all())
	}
	return errors.Join(err, left, u.all(), forget(ctx, r.Session))
}

// finish starts what was stopped. The data are of one moment by then, also where it is killed.
func (r *restoring) finish(ctx context.Context) error {
	wrong := r.note.restored(ctx, r.Session)
	u := r.startAgain(ctx)
	if wrong == nil && u.unstarted == nil {
		wrong = forget(ctx, r.Session)
	}
	switch {
	case wrong != nil:
		return exit.Errorf(exit.Degraded, "the data are restored, but that cannot be noted, which `%s` again does: %w", r.same(), errors.Join(wrong, u.all()))
	case u.unstarted != nil:
		return exit.Errorf(exit.Degraded, "the data are restored, but not all that ran is started again, which `tale deploy` does: it makes anew what cannot be: %w", u.all())
	case u.all() != nil:
		return exit.Errorf(exit.Degraded, "the data are restored, but %w", u.all())
	}
	return nil
}

// stopUsers stops what uses the data, the web application first.
func (r *restoring) stopUsers(ctx context.Context) error {
	running, err := r.noteUsers(ctx)
	for _, c := range running {
		if err == nil {
			r.out.Say("stopping " + c.Name)
			err = r.Engine.Stop(ctx, c.ID, 0)
		}
	}
	return err
}

// noteUsers notes that the restore is under way, and what uses the data, which it returns.
func (r *restoring) noteUsers(ctx context.Context) (running []engine.Container, err error) {
	// Unpacking may take hours, in which others start.
	if r.state, err = r.Observed(ctx); err != nil {
		return nil, err
	}
	for _, service := range []string{stack.Platform, stack.Crawler, stack.RAG, stack.Convex} {
		for _, c := range r.state.Containers {
			if c.Service == service && (c.State.Running || c.State.Restarting) {
				running = append(running, c)
			}
		}
	}
	r.note.File, r.note.Run = r.path, r.backup.Run
	if path, err := filepath.Abs(r.path); err == nil {
		r.note.File = path
	}
	if r.note.Engine == "" {
		r.note.Server = r.backup.Server.Address()
	}
	for _, c := range running {
		if !slices.Contains(r.note.Stopped, c.ID) {
			r.note.Stopped = append(r.note.Stopped, c.ID)
		}
	}
	return running, r.note.begin(ctx, r.Session)
}

// unwell tells apart what could not be started, what never can be, and what was and does not
// become healthy.
type unwell struct{ unstarted, lost, unhealthy error }

func (u unwell) all() error { return errors.Join(u.unstarted, u.lost, u.unhealthy) }

// startAgain starts all that was stopped, in the order in which they need each other, also
// where one of them fails: what may need that one cannot become healthy, and is not waited
// for.
func (r *restoring) startAgain(ctx context.Context) (u unwell) {
	limit, cancel := context.WithTimeout(ctx, r.options.timeout)
	defer cancel()
	for _, id := range slices.Backward(r.note.Stopped) {
		err := r.Engine.Start(ctx, id)
		if err == nil && u.unstarted == nil && u.lost == nil {
			var sick error
			sick, err = r.awaitHealth(ctx, limit, id)
			u.unhealthy = errors.Join(u.unhealthy, sick)
		}
		switch {
		case engine.IsLost(err):
			u.lost = errors.Join(u.lost, fmt.Errorf("the engine has lost a container as it was killed, `tale deploy` makes it anew: %w", err))
		case !engine.IsNotFound(err):
			u.unstarted = errors.Join(u.unstarted, err)
		}
	}
	return u
}

// awaitHealth waits until a container is healthy, or limit ends.
func (r *restoring) awaitHealth(ctx, limit context.Context, id string) (unhealthy, err error) {
	for {
		c, err := r.Engine.Inspect(ctx, id)
		if err != nil || c.State.Well() {
			return nil, err
		}
		if !pause.For(limit, 500*time.Millisecond) {
			return fmt.Errorf("%s is not healthy after %s (%s): `tale logs %s` says why", c.Name, r.options.timeout, cmp.Or(c.State.Health, c.State.Status), c.Service), nil
		}
	}
}

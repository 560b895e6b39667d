package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/exit"
)

func (r *restoring) discardOld(ctx context.Context) error {
	note, there, err := restoringOf(ctx, r.Session)
	switch {
	case err != nil:
		return err
	case there && !note.Restored:
		return r.endKilled(ctx, note)
	case there && !note.isElsewhere(r.Session) && !note.isOver(r.state):
		return exit.Errorf(exit.Config, "the last restore has not started all that ran: `tale deploy` does, and what was there before is removed after that")
	}
	if !slices.Contains(r.state.Volumes, r.backup.Volume) {
		return exit.Errorf(exit.Config, "there is no volume %s, and nothing to remove", r.backup.Volume)
	}
	target, err := r.backup.Look(ctx)
	if err != nil {
		return err
	}
	if !target.Left() {
		return r.out.Result("nothing to do: no restore has left anything", nil)
	}
	if err := r.Agree(r.command, []string{"what was there before the last restore is removed for good"}); err != nil {
		return err
	}
	r.changing = true
	r.out.Begin()
	removed, err := r.backup.Discard(ctx)
	if err != nil && ctx.Err() != nil {
		return exit.Errorf(exit.Interrupted, "interrupted: some of it is removed; the same command removes the rest")
	}
	if err != nil {
		return r.out.Failed(err)
	}
	return r.out.Result("removed: what the volume kept, and "+english.Plural(len(removed), "database", ""), nil)
}

// endKilled ends a restore that was killed, without its file: one of which nothing is in its place
// is given up, and of another one the rest is unpacked. What restores have kept stays.
func (r *restoring) endKilled(ctx context.Context, note restoringNote) error {
	if note.isElsewhere(r.Session) || note.Run == "" {
		return note.refusal(r.Session)
	}
	r.note, r.backup.Run, r.path = note, note.Run, note.File
	target, err := r.backup.Look(ctx)
	if err != nil {
		return err
	}
	needed := note.refusal(r.Session)
	needed.Needed = true
	end, asks, ended := r.finishUnpacked, "finished: a part of it is in its place, and the rest is unpacked and takes the place of what is there, which is kept", "finished: the data are those of "+r.path
	switch untouched := target.Untouched(note.Run); {
	case untouched && !r.isThere(note):
		return fmt.Errorf("the databases of that restore may be on another server than the stack's, so that it is not known whether they are in their place: %w", needed)
	case untouched:
		end, asks, ended = r.giveUp, "given up: nothing of it is in its place, and what it has unpacked is removed for good", "given up: the data are those of before the restore of "+r.path+", and what it had stopped is started"
	case target.Restored(note.Run, r.backup.Manifest):
		end, asks = r.finish, "finished: its data are in their place, and what it has stopped is started"
	case !target.Unpacked(note.Run):
		return fmt.Errorf("a part of that restore is in its place, and the volume %s does not have the rest any more: %w", r.backup.Volume, needed)
	}
	if err := r.Agree(r.command, []string{"the restore of " + r.path + " is " + asks}); err != nil {
		return err
	}
	r.changing = true
	r.out.Begin()
	if err := r.record("", end(context.WithoutCancel(ctx))); err != nil {
		return r.out.Failed(err)
	}
	return r.out.Result(ended+"; `"+discarding+"` again removes what restores have kept", nil)
}

func (r *restoring) giveUp(ctx context.Context) error {
	untouched, left := r.backup.TakeBack(ctx)
	if !untouched {
		return exit.Errorf(exit.Stuck, "it is not known any more whether a part of the restore is in its place: `%s` again ends it: %w", discarding, cmp.Or(left, errors.New("what it had begun has gone on")))
	}
	return r.takenBack(ctx, nil, left)
}

func (r *restoring) finishUnpacked(ctx context.Context) error {
	if err := r.stopUsers(ctx); err != nil {
		return r.stuck(err)
	}
	return r.swapVolume(ctx)
}

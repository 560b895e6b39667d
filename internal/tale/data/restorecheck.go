package data

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// unlock asks for what an encrypted backup needs.
func (r *restoring) unlock(ctx context.Context, source *backup.Source) error {
	switch {
	case !source.Sealed && r.options.identity != "":
		r.out.Say("note: the backup is not encrypted, so that --identity is of no use")
		return nil
	case !source.Sealed:
		return nil
	case r.options.identity == "":
		passphrase, err := r.Prompter(r.command).Secret(ctx, "Passphrase of the backup")
		if err == nil && passphrase == "" {
			err = exit.Errorf(exit.Usage, "the passphrase is empty: nothing was changed")
		}
		if err != nil {
			return err
		}
		return source.Unlock(passphrase, nil)
	}
	keys, err := os.Open(r.options.identity)
	if err != nil {
		return exit.Errorf(exit.Usage, "cannot read the keys: %w", err)
	}
	defer keys.Close()
	return source.Unlock("", keys)
}

// fits refuses a backup that the project's stack could not live with.
func (r *restoring) fits() error {
	m := r.backup.Manifest
	if m.Volume == nil {
		return exit.Errorf(exit.Config, "this backup has no files and cannot be restored: rows name files, and the packages of the functions and the search indexes are files, too. Take one without --no-files")
	}
	if !m.Secret.Is(r.Settings.Get("INSTANCE_SECRET")) {
		return exit.Errorf(exit.Config, "this backup is of another INSTANCE_SECRET than that of %s: all keys and sessions in it would be void. Put the .env of the backup's project there first; an encrypted backup has it: age -d FILE | tar -xO project/.env", filepath.Join(r.Project.Dir, project.EnvName))
	}
	have := r.Session.Release("").Version
	if convex, there := r.state.Current(stack.Convex); there {
		have = cmp.Or(convex.Version, have)
	}
	if rollout.IsBefore(have, m.Release) {
		return exit.Errorf(exit.Config, "this backup is of release %s, and the stack is of %s: the backend's migrations of its data go forward only. `tale deploy --all --version %s` first", m.Release, have, m.Release)
	}
	if len(m.Databases) > 0 != (r.backup.Server.Container != "") {
		return exit.Errorf(exit.Config, "this backup is of another kind of storage than CONVEX_STORAGE of .env")
	}
	m, without, err := m.For(r.backup.Server)
	if err != nil {
		return err
	}
	for _, database := range without {
		r.out.Say(fmt.Sprintf("note: the database %s is not restored: it is not the stack's, and others may have one of that name on the server of POSTGRES_URL", database))
	}
	r.backup.Manifest = m
	if m.Project != r.Project.File.ID {
		r.out.Say("note: this is a backup of " + m.Project + ", and goes into " + r.Project.File.ID)
	}
	return nil
}

// makeVolume makes a volume that is not there. Until the restore is agreed to there is none, and
// before there is one, it is noted: an empty one would hide from a deploy that the data are gone.
func (r *restoring) makeVolume(ctx context.Context) error {
	if slices.Contains(r.state.Volumes, r.backup.Volume) {
		return nil
	}
	r.note.Made = true
	_, err := r.noteUsers(ctx)
	if err == nil {
		err = r.Engine.CreateVolume(ctx, r.backup.Volume, engine.Owned(r.Project.File.ID))
	}
	if err == nil {
		return nil
	}
	left := r.unmakeVolume(context.WithoutCancel(ctx))
	if left == nil {
		left = forget(context.WithoutCancel(ctx), r.Session)
	}
	if left == nil {
		return err
	}
	r.changing = true // an interrupt would not say what stays
	return errors.Join(session.Interrupted(ctx, err), fmt.Errorf("it stays noted that a restore is under way, until the same command goes on with it: %w", left))
}

// unmakeVolume removes it again, unless something is in it.
func (r *restoring) unmakeVolume(ctx context.Context) error {
	if !r.note.Made {
		return nil
	}
	now, err := r.backup.Look(ctx)
	if err != nil || !now.Unused() {
		return err
	}
	// The engine may be about to remove the helper that has looked.
	limit, cancel := context.WithTimeout(ctx, helperLeaves)
	defer cancel()
	for {
		err = r.Engine.RemoveVolume(ctx, r.backup.Volume)
		if !engine.IsConflict(err) || !pause.For(limit, 100*time.Millisecond) {
			return err
		}
	}
}

const helperLeaves = 10 * time.Second

func (r *restoring) preview() error {
	m := r.backup.Manifest
	if r.JSON {
		m.Streams = nil
		if err := session.PrintJSON(r.command.OutOrStdout(), m); err != nil {
			return err
		}
		return exit.With(exit.Pending, session.ErrChanges)
	}
	r.out.Say(fmt.Sprintf("%s is whole: the data of %s, of the project %s, release %s", r.path, m.Moment.Format(time.RFC3339), m.Project, cmp.Or(m.Release, "unknown")))
	for _, d := range m.Databases {
		r.out.Say(fmt.Sprintf("database %s, %s on its server, Postgres %s", d.Name, humanize.Bytes(uint64(d.Bytes)), m.Postgres))
	}
	r.out.Say(fmt.Sprintf("%s, %s", english.Plural(int(m.Volume.Files), "file", ""), humanize.Bytes(uint64(m.Volume.Bytes))))
	if r.whole {
		r.out.Say("it would replace nothing, as an earlier run has restored these data, and start what that has stopped")
		return exit.With(exit.Pending, session.ErrChanges)
	}
	for _, what := range r.target.Holds() {
		r.out.Say("it would replace " + what)
	}
	for _, role := range r.target.Missing(m) {
		r.out.Say("it would make the role " + role + " on the server, which cannot log in: a backup has no passwords")
	}
	return exit.With(exit.Pending, session.ErrChanges)
}

// consent asks for the project's id where there are data, unless it was given before.
func (r *restoring) consent(begun bool) error {
	holds := r.target.Holds()
	if len(holds) == 0 || r.options.name != "" || begun {
		return nil
	}
	id := r.Project.File.ID
	if !r.Prompter(r.command).Terminal() {
		return exit.Errorf(exit.Usage, "%s has data (%s), and there is no terminal to type its id on: give it with --project-name %s", id, strings.Join(holds, ", "), id)
	}
	for _, what := range holds {
		r.out.Say("replaced is " + what)
	}
	return r.TypedID(r.command, id, "go back to the data of "+r.backup.Manifest.Moment.Format(time.RFC3339))
}

// hasRoom wants room for what comes beside what is there.
func (r *restoring) hasRoom(ctx context.Context) error {
	free, total, err := r.Engine.DiskFree(ctx)
	if err != nil {
		return err
	}
	files, need := r.backup.Manifest.Volume.Room(), int64(0)
	if r.backup.Free != nil {
		need = r.backup.Manifest.Room()
		free = max(0, free-backup.LeastFree)
	}
	fits := func(where string, free, need int64) error {
		if need += need / 10; free >= need {
			return nil
		}
		return exit.Errorf(exit.Failure, "%s has %s free, and what is restored beside the present data needs %s; nothing was changed: `tale restore --discard-old` and `tale cleanup` remove what is not needed", where, humanize.Bytes(uint64(free)), humanize.Bytes(uint64(need)))
	}
	// A volume may have a disk of its own, or a limit.
	if freeThere, totalThere := r.target.Room(); totalThere != 0 && totalThere != total {
		if err := fits("the volume "+r.backup.Volume, freeThere, files); err != nil {
			return err
		}
	} else {
		need += files
	}
	return fits("the engine's disk", free, need)
}

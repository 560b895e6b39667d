package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Restore says what is brought back, and where to.
type Restore struct {
	Engine   *engine.Engine
	Server   Server
	Volume   string
	Manifest Manifest
	Source   *Source
	Run      string                          // which one this is: of Target.Run, so that a killed one is gone on with
	Moves    func(stage string, bytes int64) // often
	// Free returns how many bytes are free where Postgres has its data; nil where that is
	// not known.
	Free func(context.Context) (int64, error)
}

// LeastFree is how many bytes stay free where Postgres has its data. A server that cannot
// write its log of changes ends, does not come up again, and takes along what serves.
const LeastFree = 512 << 20

// lookEvery is how often that is looked at.
const lookEvery = time.Second

// watched returns a context that ends when too little is free, for what takes room; a
// restore that was killed has to be finished without. The caller stops it.
func (r Restore) watched(ctx context.Context) (watched context.Context, stop func()) {
	if r.Free == nil {
		return ctx, func() {}
	}
	watched, cancel := context.WithCancelCause(ctx)
	go func() {
		for {
			select {
			case <-time.After(lookEvery):
			case <-watched.Done():
				return
			}
			// One that cannot be asked now is asked again.
			if free, err := r.Free(watched); err == nil && free < LeastFree {
				cancel(exit.Errorf(exit.Failure, "only %s are free where Postgres has its data, and it would end without room: make some, `tale restore --discard-old` and `tale cleanup` remove what is not needed, and run the same command again", humanize.Bytes(uint64(free))))
				return
			}
		}
	}()
	return watched, func() { cancel(nil) }
}

// Prepare puts all of the backup beside what is there, and changes nothing of that. What
// an earlier run has done of it, as a whole, is not done again.
func (r Restore) Prepare(ctx context.Context, t Target) error {
	if err := endHelpers(ctx, r.Engine, r.Volume); err != nil {
		return err
	}
	if err := r.makeRoles(ctx, t); err != nil {
		return err
	}
	from, err := r.Source.Reader()
	if err != nil {
		return err
	}
	var volume *unpacking
	defer func() {
		if volume != nil {
			_ = volume.end(errors.New("not needed any more"))
		}
	}()
	return r.Manifest.each(until{ctx, from}, func(stream Stream, content io.Reader) error {
		database, isDump := strings.CutSuffix(strings.TrimPrefix(stream.Name, dumpFolder), dumpEnding)
		isDump = isDump && strings.HasPrefix(stream.Name, dumpFolder)
		switch {
		case stream.Name == volumeStream && t.volume.Ready != r.Run && t.volume.Done != r.Run:
			volume = r.beginUnpacking(ctx)
			return volume.send(io.TeeReader(content, &counter{what: "volume", moves: r.Moves}))
		case stream.Name == goneStream && volume != nil:
			gone, err := io.ReadAll(content)
			if err == nil {
				err = volume.sendGone(gone)
			}
			err = volume.end(err)
			volume = nil
			return err
		case isDump && r.Manifest.has(database) && t.databases[beside(database, restoringEnding)] != r.Run && !slices.Contains(t.swapped(r.Run, r.Manifest), database):
			return r.fill(ctx, database, io.TeeReader(content, &counter{what: "database " + database, moves: r.Moves}))
		}
		return nil
	})
}

// helper runs a helper in the volume.
func (r Restore) helper(ctx context.Context, args []string, in io.Reader, hear func(message) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if hear == nil {
		hear = func(message) error { return nil }
	}
	err := talk(ctx, cancel, r.Engine, engine.HelperOptions{
		Args:   args,
		Mounts: []engine.Mount{{Volume: r.Volume, Path: VolumeFolder}},
		Labels: map[string]string{LabelVolume: r.Volume},
	}, engine.Streams{In: in}, hear)
	if err != nil {
		return fmt.Errorf("cannot restore into the volume %s: %w", r.Volume, err)
	}
	return nil
}

// renames is how often others are told to leave a database that is to be renamed.
const renames = 5

// SwapDatabases puts the new databases in the places of those that are there, which get
// another name, all at once; without a server there are none. The backend and its users have
// ended, so that a server that is away, as it is while it restarts, is waited for.
func (r Restore) SwapDatabases(ctx context.Context) (err error) {
	if r.Server.Container == "" {
		return nil
	}
	for range renames {
		var t Target
		if t, err = r.lookAtServer(ctx, t); err == nil {
			err = r.swapDatabases(ctx, t)
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		if exit.Code(err) == exit.Unavailable {
			r.Server.await(ctx)
		}
	}
	return fmt.Errorf("cannot put the restored databases in their places: %w", err)
}

// swapDatabases does it for those that are not in their places.
func (r Restore) swapDatabases(ctx context.Context, t Target) error {
	var statements, named []string
	for _, d := range r.Manifest.Databases {
		fresh := beside(d.Name, restoringEnding)
		if t.databases[fresh] != r.Run {
			if slices.Contains(t.swapped(r.Run, r.Manifest), d.Name) {
				continue
			}
			return exit.Errorf(exit.Failure, "the database %s has gone", fresh)
		}
		if _, there := t.databases[d.Name]; there {
			statements = append(statements, "ALTER DATABASE "+name(d.Name)+" RENAME TO "+name(replacedName(d.Name, r.Run)))
		}
		statements = append(statements, "ALTER DATABASE "+name(fresh)+" RENAME TO "+name(d.Name))
		named = append(named, literal(d.Name), literal(fresh))
	}
	if len(statements) == 0 {
		return nil
	}
	// Of others, and of the server's own, which RENAME ends by itself, it would be an error.
	leave := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND pg_has_role(usesysid, 'MEMBER') AND datname IN (" + strings.Join(named, ", ") + ");\n"
	if _, err := r.Server.query(ctx, r.Server.maintenance(), leave); err != nil {
		return err
	}
	return r.Server.transaction(ctx, statements...)
}

// SwapVolume does the same for the volume.
func (r Restore) SwapVolume(ctx context.Context) error {
	return r.helper(ctx, []string{swapVerb, r.Run}, nil, nil)
}

// TakeBack removes what the run has put beside what is there, and reports whether nothing of it
// is in its place. What a killed one has left at work does not put it there any more: each swap
// needs what is removed.
func (r Restore) TakeBack(ctx context.Context) (untouched bool, err error) {
	t, err := r.idle(ctx)
	if err != nil || !t.Untouched(r.Run) {
		return false, err
	}
	if _, err := r.dropDatabases(ctx, t.left(false)); err != nil {
		return false, err
	}
	if r.Server.Container == "" {
		if err := r.drop(ctx, dropNew); err != nil {
			return false, err
		}
		t, err = r.Look(ctx)
		return err == nil && t.Untouched(r.Run), err
	}
	// The volume is swapped after the databases.
	if t, err = r.lookAtServer(ctx, t); err != nil || !t.Untouched(r.Run) {
		return false, err
	}
	return true, r.drop(ctx, dropNew)
}

// Discard removes all that restores have put beside what is there, and what was there before
// one: databases by their names, and the hidden folder of the volume. It returns what
// databases these were.
func (r Restore) Discard(ctx context.Context) (removed []string, err error) {
	t, err := r.idle(ctx)
	if err != nil {
		return nil, err
	}
	if t.volume.Swapping != "" {
		return nil, exit.Errorf(exit.Config, "the restore of the backup %s was killed in the middle: `tale restore FILE` finishes it first", t.volume.Swapping)
	}
	if removed, err = r.dropDatabases(ctx, t.left(true)); err != nil {
		return removed, err
	}
	return removed, r.drop(ctx, dropOld)
}

// idle returns what is there once no helper is at work in the volume.
func (r Restore) idle(ctx context.Context) (t Target, err error) {
	if err := endHelpers(ctx, r.Engine, r.Volume); err != nil {
		return t, err
	}
	return r.Look(ctx)
}

func (r Restore) dropDatabases(ctx context.Context, names []string) (removed []string, err error) {
	for _, database := range names {
		if _, err := r.Server.query(ctx, r.Server.maintenance(), "DROP DATABASE IF EXISTS "+name(database)+" WITH (FORCE);\n"); err != nil {
			return removed, err
		}
		removed = append(removed, database)
	}
	return removed, nil
}

// drop removes what restores have in the volume, but makes none that is not there.
func (r Restore) drop(ctx context.Context, what string) error {
	if _, there, err := r.Engine.Volume(ctx, r.Volume); err != nil || !there {
		return err
	}
	return r.helper(ctx, []string{dropVerb, what}, nil, nil)
}

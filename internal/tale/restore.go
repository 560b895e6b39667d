package tale

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

type restoreOptions struct {
	identity   string
	name       string // --project-name
	dryRun     bool
	discardOld bool
	quiet      bool
	wait       time.Duration
	timeout    time.Duration
}

func (a *app) restoreCommand() *cobra.Command {
	o := restoreOptions{}
	command := &cobra.Command{
		Use:   "restore FILE",
		Short: "Bring back databases and files from a backup",
		Long: `Bring back the databases and the convex volume that tale backup has written. All of
the file is verified first, and unpacked beside what is there while the site goes on.
Then what uses the data is stopped, both are swapped, and what ran is started again. A
failure before the swap changes nothing; a restore that was killed is finished by the
same command. A project with data asks for its id, or has it in --project-name.

What was there before is kept, until --discard-old removes it.

Refused are files that are cut or changed, a backup without files (the packages of the
functions, uploaded files and search indexes are in the volume, and rows name them), one
of another INSTANCE_SECRET than that of .env, and one of a newer release.

Exit codes: 0 done; 1 failed, nothing changed; 2 declined; 3 restored, but not healthy;
10 a dry run; 11 failed between the two swaps: run it again; 64 usage; 69 the engine or
Postgres is unreachable; 75 locked, or Postgres was restarted; 77 permission, or the wrong
passphrase; 78 configuration; 130 interrupted.`,
		Example: `  tale restore shop.tar --dry-run      # verifies the file
  tale restore shop.tar
  tale restore shop.tar.age --identity key.txt --project-name shop-1a2b3c
  tale restore --discard-old`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := command.Flags()
	cli.FileVar(flags, &o.identity, "identity", "`FILE` of age keys that decrypts the backup; default: ask for a passphrase")
	flags.StringVar(&o.name, "project-name", "", "the project's `ID`, instead of typing it")
	flags.BoolVar(&o.dryRun, "dry-run", false, "verify the file, say what would be replaced and change nothing; exit 10")
	flags.BoolVar(&o.discardOld, "discard-old", false, "remove what restores have kept and left")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the result and errors only")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long (`TIME`) the services may take to become healthy again")
	waitFlag(command, &o.wait)
	command.RunE = func(command *cobra.Command, args []string) error {
		switch {
		case o.discardOld == (len(args) == 1):
			return exit.Errorf(exit.Usage, "name the file of a backup, or --discard-old")
		case o.discardOld && o.dryRun:
			return exit.Errorf(exit.Usage, "--dry-run is for the file of a backup, and --discard-old removes data: nothing was changed")
		}
		path := strings.Join(args, "")
		if err := cli.CheckFile(path); !o.discardOld && err != nil {
			return fmt.Errorf("cannot open the backup: %w", err)
		}
		return a.restore(command, path, o)
	}
	return command
}

// restoring is one run of restore.
type restoring struct {
	*app
	*session
	options restoreOptions
	out     *console.Progress
	command *cobra.Command
	began   time.Time
	path    string

	state  rollout.State
	backup backup.Restore
	target backup.Target
	note   restoringNote
	// changing says that what the data are may have changed.
	changing bool
}

// restoringNote is what a killed restore leaves in .tale.
type restoringNote struct {
	File    string   `json:"file"`
	Run     string   `json:"run"`
	Stopped []string `json:"stopped"` // ids of containers
}

const restoringName = "restoring.json"

// unfinishedRestore refuses to start services on data of two moments.
func unfinishedRestore(p *project.Project) error {
	note, there, err := restoringOf(p)
	if err != nil || !there {
		return err
	}
	return exit.Errorf(exit.Config, "a restore was killed, so that databases and files may be of two moments: `%s` finishes it", console.Quoted("tale restore", note.File))
}

// restoringOf returns the note of a restore that is under way. One that cannot be read is
// not none: it may be of another user.
func restoringOf(p *project.Project) (note restoringNote, there bool, err error) {
	path := p.Path(restoringName)
	text, err := project.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return note, false, nil
	case err != nil:
		return note, false, fmt.Errorf("whether a restore was killed is not known: %w", err)
	case json.Unmarshal(text, &note) != nil:
		return note, false, exit.Errorf(exit.Config, "whether a restore was killed is not known: %s is not what one has written; remove it if none was, so that databases and files are of one moment", path)
	}
	return note, true, nil
}

func (a *app) restore(command *cobra.Command, path string, o restoreOptions) (err error) {
	out := a.progress(command, o.quiet)
	ctx, stop := console.Interruptible(command.Context(), func() {
		out.Say("interrupted: nothing is changed, or all is, if the swap has begun; another Ctrl-C leaves it as it is, and the same command finishes it")
	})
	defer stop()
	r := &restoring{app: a, options: o, out: out, command: command, began: time.Now(), path: path}
	defer func() {
		if !r.changing {
			err = interrupted(ctx, err)
		}
	}()
	s, release, err := a.locked(ctx, stop, command, o.wait, out)
	if err != nil {
		return err
	}
	defer release()
	r.session = s
	if id := s.project.File.ID; o.name != "" && o.name != id {
		return exit.Errorf(exit.Usage, "--project-name is %q, and this project is %q: nothing was changed", o.name, id)
	}
	if r.state, err = s.observed(ctx); err != nil {
		return err
	}
	server, free, err := s.postgres(ctx, r.state)
	if err != nil {
		return err
	}
	defer free()
	r.backup = backup.Restore{Engine: s.engine, Server: server, Volume: s.project.File.ID + "_" + stack.ConvexData, Moves: moves(out)}
	if server.Container != "" && s.settings.Get("POSTGRES_URL") == "" { // it is the engine's disk
		r.backup.Free = func(ctx context.Context) (int64, error) {
			free, _, err := s.engine.DiskFree(ctx)
			return free, err
		}
	}
	if o.discardOld {
		return r.discardOld(ctx)
	}
	return r.fromFile(ctx)
}

func (r *restoring) discardOld(ctx context.Context) error {
	if err := unfinishedRestore(r.project); err != nil {
		return err
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
	if err := r.agree(r.command, []string{"what was there before the last restore is removed for good"}); err != nil {
		return err
	}
	r.changing = true
	removed, err := r.backup.Discard(ctx, true, true)
	if err != nil && ctx.Err() != nil {
		return exit.Errorf(exit.Interrupted, "interrupted: some of it is removed; the same command removes the rest")
	}
	if err != nil {
		return r.out.Failed(err)
	}
	return r.out.Result("removed: what the volume kept, and "+english.Plural(len(removed), "database", ""), nil)
}

func (r *restoring) fromFile(ctx context.Context) error {
	source, err := backup.Open(r.path)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	if err := r.unlock(ctx, source); err != nil {
		return err
	}
	r.backup.Source = source
	if r.backup.Manifest, err = source.Verify(); err != nil {
		return err
	}
	if err := r.fits(); err != nil {
		return err
	}
	if err := r.makeVolume(ctx); err != nil {
		return err
	}
	if r.target, err = r.backup.Look(ctx); err != nil {
		return err
	}
	m := r.backup.Manifest
	r.backup.Run = r.target.Run(m, time.Now())
	note, killed, err := restoringOf(r.project)
	if err != nil {
		return err
	}
	if killed && strings.HasPrefix(note.Run, m.ID()) {
		r.backup.Run, r.note = note.Run, note
	} else if other := r.target.Unfinished(); other != "" && other != r.backup.Run || killed {
		return exit.Errorf(exit.Config, "the restore of another backup was killed: `%s` finishes it first", console.Quoted("tale restore", cmp.Or(note.File, "FILE")))
	}
	begun := killed || r.target.Begun(r.backup.Run, m)
	if r.options.dryRun {
		return r.preview()
	}
	if err := r.consent(begun); err != nil {
		return err
	}
	if err := r.hasRoom(ctx); err != nil && !begun {
		return err
	}
	err = r.carryOut(ctx, begun)
	entry := newEntry(r.command, r.began)
	entry.Release = m.Release
	if err != nil {
		fail(&entry, resultOf(err), err)
	}
	if wrong := r.project.Record(entry); wrong != nil {
		r.out.Say(fmt.Sprintf("the history could not be written, nothing else is lost: %v", wrong))
	}
	if err != nil {
		return r.out.Failed(err)
	}
	return r.out.Result(fmt.Sprintf("restored: the data of %s, after %.1f s\nnext: look at the site, then free what was there before with: tale restore --discard-old",
		m.Moment.Format(time.RFC3339), time.Since(r.began).Seconds()), nil)
}

// unlock asks for what an encrypted backup needs.
func (r *restoring) unlock(ctx context.Context, source *backup.Source) error {
	switch {
	case !source.Sealed && r.options.identity != "":
		r.out.Say("note: the backup is not encrypted, so that --identity is of no use")
		return nil
	case !source.Sealed:
		return nil
	case r.options.identity == "":
		passphrase, err := r.prompter(r.command).Secret(ctx, "Passphrase of the backup")
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
	if !m.Secret.Is(r.settings.Get("INSTANCE_SECRET")) {
		return exit.Errorf(exit.Config, "this backup is of another INSTANCE_SECRET than that of %s: all keys and sessions in it would be void. Put the .env of the backup's project there first; an encrypted backup has it: age -d FILE | tar -xO project/.env", filepath.Join(r.project.Dir, project.EnvName))
	}
	have := r.session.release("").version
	if convex, there := r.state.Current(stack.Convex); there {
		have = cmp.Or(convex.Version, have)
	}
	from, wrong := semver.NewVersion(m.Release)
	to, unknown := semver.NewVersion(have)
	if wrong == nil && unknown == nil && to.LessThan(from) {
		return exit.Errorf(exit.Config, "this backup is of release %s, and the stack is of %s: the backend's migrations of its data go forward only. `tale deploy --all --version %s` first", m.Release, have, m.Release)
	}
	if len(m.Databases) > 0 != (r.backup.Server.Container != "") {
		return exit.Errorf(exit.Config, "this backup is of another kind of storage than CONVEX_STORAGE of .env")
	}
	if m.Project != r.project.File.ID {
		r.out.Say("note: this is a backup of " + m.Project + ", and goes into " + r.project.File.ID)
	}
	return nil
}

func (r *restoring) makeVolume(ctx context.Context) error {
	if r.options.dryRun {
		return nil
	}
	// It has to be noted what was stopped.
	if err := r.project.Probe(); err != nil || slices.Contains(r.state.Volumes, r.backup.Volume) {
		return err
	}
	return r.engine.CreateVolume(ctx, r.backup.Volume, engine.Owned(r.project.File.ID))
}

func (r *restoring) preview() error {
	m := r.backup.Manifest
	if r.json {
		m.Streams = nil
		if err := printJSON(r.command.OutOrStdout(), m); err != nil {
			return err
		}
		return exit.With(exit.Pending, errChanges)
	}
	r.out.Say(fmt.Sprintf("%s is whole: the data of %s, of the project %s, release %s, Postgres %s", r.path, m.Moment.Format(time.RFC3339), m.Project, cmp.Or(m.Release, "unknown"), m.Postgres))
	for _, d := range m.Databases {
		r.out.Say(fmt.Sprintf("database %s, %s on its server", d.Name, humanize.Bytes(uint64(d.Bytes))))
	}
	r.out.Say(fmt.Sprintf("%s, %s", english.Plural(int(m.Volume.Files), "file", ""), humanize.Bytes(uint64(m.Volume.Bytes))))
	for _, what := range r.target.Holds() {
		r.out.Say("it would replace " + what)
	}
	return exit.With(exit.Pending, errChanges)
}

// consent asks for the project's id where there are data, unless it was given before.
func (r *restoring) consent(begun bool) error {
	holds := r.target.Holds()
	if len(holds) == 0 || r.options.name != "" || begun {
		return nil
	}
	id, p := r.project.File.ID, r.prompter(r.command)
	if !p.Terminal() {
		return exit.Errorf(exit.Usage, "%s has data (%s), and there is no terminal to type its id on: give it with --project-name %s", id, strings.Join(holds, ", "), id)
	}
	for _, what := range holds {
		r.out.Say("replaced is " + what)
	}
	typed, err := p.Line(fmt.Sprintf("Type the project's id, %s, to go back to the data of %s: ", id, r.backup.Manifest.Moment.Format(time.RFC3339)))
	if err == nil && typed != id {
		err = exit.With(exit.Declined, errDeclined)
	}
	return err
}

// hasRoom wants room for what comes beside what is there.
func (r *restoring) hasRoom(ctx context.Context) error {
	free, total, err := r.engine.DiskFree(ctx)
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
	if freeThere, totalThere := r.target.Room(); totalThere != total {
		if err := fits("the volume "+r.backup.Volume, freeThere, files); err != nil {
			return err
		}
	} else {
		need += files
	}
	return fits("the engine's disk", free, need)
}

// carryOut prepares, swaps, and starts what ran.
func (r *restoring) carryOut(ctx context.Context, begun bool) error {
	m, asked := r.backup.Manifest, ctx
	r.changing = true
	if begun && r.target.Restored(r.backup.Run, m) {
		return r.finish(context.WithoutCancel(ctx))
	}
	r.out.Say("unpacking beside what serves")
	err := r.backup.Prepare(ctx, r.target)
	if err == nil {
		err = r.stopUsers(ctx)
	}
	if err == nil {
		err = ctx.Err()
	}
	// From here on it is as quick to finish as to go back.
	ctx = context.WithoutCancel(ctx)
	swaps := err == nil
	if swaps {
		r.out.Say("swapping")
		err = r.backup.SwapDatabases(ctx)
	}
	if err != nil && !begun && (!swaps || !r.swapBegan(ctx)) {
		return r.takeBack(ctx, interrupted(asked, err))
	}
	if err == nil {
		err = r.backup.SwapVolume(ctx)
	}
	if err != nil {
		return exit.Errorf(exit.Stuck, "databases and files are of two moments: `%s` again finishes it: %w", console.Quoted("tale restore", r.path), err)
	}
	return r.finish(ctx)
}

// takeBack removes what was prepared and starts what was stopped.
func (r *restoring) takeBack(ctx context.Context, err error) error {
	_, left := r.backup.Discard(ctx, true, false)
	if left != nil {
		stays := "what was unpacked stays, until the same command goes on with it or `tale restore --discard-old` removes it"
		if exit.Code(left) == exit.Code(err) && exit.Code(err) == exit.Unavailable { // it is the same cause
			left = errors.New(stays)
		} else {
			left = fmt.Errorf("%s: %w", stays, left)
		}
	}
	unstarted, unhealthy := r.startAgain(ctx)
	return errors.Join(err, left, unstarted, unhealthy, r.forget())
}

// swapBegan reports whether databases are in their places, also where their server did
// not come to say so.
func (r *restoring) swapBegan(ctx context.Context) bool {
	now, err := r.backup.Look(ctx)
	return err != nil || now.Begun(r.backup.Run, r.backup.Manifest)
}

func (r *restoring) finish(ctx context.Context) error {
	unstarted, unhealthy := r.startAgain(ctx)
	switch {
	case unstarted != nil:
		return exit.Errorf(exit.Degraded, "the data are restored, but not all that ran is started again, which `%s` does: %w", console.Quoted("tale restore", r.path), errors.Join(unstarted, unhealthy))
	case unhealthy != nil:
		return errors.Join(exit.Errorf(exit.Degraded, "the data are restored, but %w", unhealthy), r.forget())
	}
	return r.forget()
}

// stopUsers stops what uses the data, the web application first.
func (r *restoring) stopUsers(ctx context.Context) error {
	var running []engine.Container
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
	for _, c := range running {
		if !slices.Contains(r.note.Stopped, c.ID) {
			r.note.Stopped = append(r.note.Stopped, c.ID)
		}
	}
	text, err := json.Marshal(r.note)
	if err == nil {
		err = r.project.Write(text, restoringName)
	}
	for _, c := range running {
		if err == nil {
			r.out.Say("stopping " + c.Name)
			err = r.engine.Stop(ctx, c.ID, 0)
		}
	}
	return err
}

// startAgain starts all that was stopped, in the order in which they need each other, also
// where one of them fails. It tells apart what could not be started from what was, and does
// not become healthy.
func (r *restoring) startAgain(ctx context.Context) (unstarted, unhealthy error) {
	limit, cancel := context.WithTimeout(ctx, r.options.timeout)
	defer cancel()
	for _, id := range slices.Backward(r.note.Stopped) {
		err := r.engine.Start(ctx, id)
		if err == nil {
			var sick error
			sick, err = r.awaitHealth(ctx, id, limit.Done())
			unhealthy = errors.Join(unhealthy, sick)
		}
		if err != nil && !engine.IsNotFound(err) {
			unstarted = errors.Join(unstarted, err)
		}
	}
	return unstarted, unhealthy
}

func (r *restoring) awaitHealth(ctx context.Context, id string, limit <-chan struct{}) (unhealthy, err error) {
	for {
		c, err := r.engine.Inspect(ctx, id)
		if err != nil || c.State.Well() {
			return nil, err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-limit:
			return fmt.Errorf("%s is not healthy after %s (%s): `tale logs %s` says why", c.Name, r.options.timeout, cmp.Or(c.State.Health, c.State.Status), c.Service), nil
		}
	}
}

// forget removes the note of what is under way.
func (r *restoring) forget() error {
	if err := os.Remove(r.project.Path(restoringName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

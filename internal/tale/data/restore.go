package data

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
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

What was there before is kept, until --discard-old removes it. Where a restore was killed
and its file is lost, --discard-old ends that in its place: what is not begun is given up,
and what is in the middle is finished with what is unpacked.

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
	flags.BoolVar(&o.discardOld, "discard-old", false, "remove what restores have kept and left, or end one that was killed and has lost its file")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the result and errors only")
	session.TimeoutFlag(command, &o.timeout, "how long (`TIME`) the services may take to become healthy again")
	session.WaitFlag(command, &o.wait)
	command.RunE = func(command *cobra.Command, args []string) error {
		switch {
		case o.discardOld && len(args) == 1:
			return exit.Errorf(exit.Usage, "--discard-old takes no file: it removes what restores have kept")
		case !o.discardOld && len(args) == 0:
			return exit.Errorf(exit.Usage, "name the file of a backup, or --discard-old")
		case o.discardOld && o.dryRun:
			return exit.Errorf(exit.Usage, "--dry-run is for the file of a backup, and --discard-old removes data: nothing was changed")
		}
		if err := session.CheckTimeout(o.timeout); err != nil {
			return err
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
	*session.Session
	options restoreOptions
	out     *console.Progress
	command *cobra.Command
	began   time.Time
	path    string

	state  rollout.State
	backup backup.Restore
	target backup.Target
	note   restoringNote
	// unpacking is how far that is.
	unpacking stages
	// whole says that an earlier run has put all in its place.
	whole bool
	// changing says that what the data are may have changed.
	changing bool
}

func (a *app) restore(command *cobra.Command, path string, o restoreOptions) (err error) {
	out := a.Progress(command, o.quiet)
	defer out.Close()
	again := "`" + session.CommandLine(command) + "` again "
	becomes, left := "interrupted: nothing is changed, or all is, if the swap has begun; another Ctrl-C leaves it as it is, and "+again+"finishes it",
		"it is neither finished nor taken back; "+again+"finishes it"
	if o.discardOld {
		becomes, left = "interrupted: what is done stays done", "what is done stays done; "+again+"does the rest"
	}
	ctx, stop := console.Interruptible(command.Context(), func() { out.Interrupted(becomes) }, out.AtOnce(left))
	defer stop()
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	r := &restoring{app: a, options: o, out: out, command: command, began: time.Now(), path: path, unpacking: stages{out: out}}
	defer func() {
		if err = r.interrupted(ctx, err); !o.dryRun {
			err = out.End(err)
		}
	}()
	s, release, err := a.Locked(ctx, command, o.wait, out.Say, lost)
	if err != nil {
		return err
	}
	defer release()
	r.Session = s
	if err := session.CheckID(s.Project, o.name); err != nil {
		return err
	}
	if r.state, err = s.Observed(ctx); err != nil {
		return err
	}
	server, free, err := postgres(ctx, s, r.state)
	if err != nil {
		return err
	}
	defer free()
	server.Warn = func(text string) { r.out.Say("note: " + text) }
	r.backup = backup.Restore{Engine: s.Engine, Server: server, Volume: dataVolume(s.Project), Moves: r.unpacking.moves}
	if server.Container != "" && server.Databases == nil { // it is the engine's disk
		r.backup.Free = func(ctx context.Context) (int64, error) {
			free, _, err := s.Engine.DiskFree(ctx)
			return free, err
		}
	}
	if o.discardOld {
		return r.discardOld(ctx)
	}
	return r.fromFile(ctx)
}

// interrupted makes an interrupt of an error that it has caused before anything changed.
func (r *restoring) interrupted(ctx context.Context, err error) error {
	if r.changing {
		return err
	}
	return session.Interrupted(ctx, err)
}

func (r *restoring) fromFile(ctx context.Context) error {
	source, err := backup.Open(r.path)
	if err != nil {
		return r.unusable(ctx, err)
	}
	defer func() { _ = source.Close() }()
	if err := r.unlock(ctx, source); err != nil {
		return err
	}
	r.backup.Source = source
	if r.backup.Manifest, err = source.Verify(); err != nil {
		return r.unusable(ctx, err)
	}
	if err := r.fits(); err != nil {
		return err
	}
	note, err := r.former(ctx)
	if err != nil {
		return err
	}
	if r.target, err = r.backup.Look(ctx); err != nil {
		return err
	}
	m := r.backup.Manifest
	r.backup.Run = r.target.Run(m, time.Now())
	r.takeUp(note)
	if other := r.target.Unfinished(); other != "" && other != r.backup.Run {
		return exit.Errorf(exit.Config, "the restore of another backup, %s, was killed in the middle: `tale restore FILE` finishes it first", other)
	}
	begun := r.note.Run != "" || r.target.Begun(r.backup.Run, m)
	if err := r.target.Allows(m); err != nil && !begun {
		return err
	}
	if r.options.dryRun {
		return r.preview()
	}
	if err := r.consent(begun); err != nil {
		return err
	}
	if err := r.hasRoom(ctx); err != nil && !begun {
		return err
	}
	r.out.Begin()
	if err := r.makeVolume(ctx); err != nil {
		return err
	}
	if err := r.record(m.Release, r.interrupted(ctx, r.carryOut(ctx, begun))); err != nil {
		return r.out.Failed(err)
	}
	return r.restored(m)
}

// record adds the run to the history, with the error that has ended it, which it returns.
func (r *restoring) record(release string, err error) error {
	entry := session.NewEntry(r.command, r.began)
	entry.Release = release
	if err != nil {
		session.Fail(&entry, session.ResultOf(err), err)
	}
	if wrong := r.Project.Record(entry); wrong != nil {
		r.out.Say(fmt.Sprintf("the history could not be written, nothing else is lost: %v", wrong))
	}
	return err
}

// unusable says besides what is wrong with the file what ends a killed restore without it.
func (r *restoring) unusable(ctx context.Context, err error) error {
	if killed, is := errors.AsType[*UnfinishedError](Unfinished(ctx, r.Session)); is {
		return fmt.Errorf("%w; %w", err, killed)
	}
	return err
}

// takeUp goes on with an earlier restore of the same backup. Where that has put all in its place,
// only what it stopped is started: convex may have run since, and what it wrote is not replaced
// without a question.
func (r *restoring) takeUp(note restoringNote) {
	m := r.backup.Manifest
	r.note.Stopped = note.Stopped // also what the restore of another backup could not start
	switch {
	case note.Run == "", !strings.HasPrefix(note.Run, m.ID()), note.Restored && !r.target.Restored(note.Run, m):
	case note.mark == "" && note.Run != r.backup.Run && r.target.Unused():
		// It may be over, as another folder has finished it, and what it had put in its place was used
		// until the volume was lost.
		r.note.Made = note.Made
	default:
		r.backup.Run, r.note = note.Run, note
	}
	r.whole = r.note.Run != "" && r.target.Restored(r.note.Run, m)
	r.note.Roles = append(r.note.Roles, r.target.Missing(m)...) // those of an earlier run are there
}

// former returns the note of an earlier restore that is not over, which this one finishes or
// whose containers it starts as well; an empty one if there is none.
func (r *restoring) former(ctx context.Context) (note restoringNote, err error) {
	if !r.options.dryRun { // it has to be noted what was stopped
		if err := r.Project.Probe(); err != nil {
			return note, err
		}
	}
	note, there, err := restoringOf(ctx, r.Session)
	switch {
	case err != nil || !there, note.Restored && note.isElsewhere(r.Session), note.isOver(r.state):
		return restoringNote{}, err
	case note.Restored:
	case note.isElsewhere(r.Session), !strings.HasPrefix(note.Run, r.backup.Manifest.ID()):
		return note, note.refusal(r.Session)
	}
	return note, nil
}

// restored says what was done, and what comes next.
func (r *restoring) restored(m backup.Manifest) error {
	if r.whole {
		return r.out.Result(fmt.Sprintf("finished: an earlier run has restored the data of %s, nothing was replaced now, and what was stopped and is still there is started; the same command again restores anew", m.Moment.Format(time.RFC3339)), nil)
	}
	for _, role := range r.target.WithoutLogin(m) {
		r.out.Say("note: the role " + role + " is new on the server and cannot log in: ALTER ROLE gives it what it needs")
	}
	return r.out.Result(fmt.Sprintf("restored: the data of %s, after %.1f s\nnext: look at the site, then free what was there before with: tale restore --discard-old",
		m.Moment.Format(time.RFC3339), time.Since(r.began).Seconds()), nil)
}

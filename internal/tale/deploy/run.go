package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/data"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/files"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// deployment is one run of deploy or rollback.
type deployment struct {
	*app
	*session.Session
	options deployOptions
	out     *console.Progress
	command *cobra.Command
	began   time.Time

	release session.Release
	model   *compose.Model
	state   rollout.State
	target  rollout.Target
	plan    rollout.Plan
	kept    string // file of the snapshot
	// delivery is what differs in the project's folders.
	delivery files.Plan
}

// deploy plans, asks, carries out and records.
func (a *app) deploy(command *cobra.Command, o deployOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	a.Yes = a.Yes || o.migrate
	out := a.Progress(command, o.quiet)
	defer out.Close()
	again := "`" + session.CommandLine(command) + "` again mends it"
	ctx, stop := console.Interruptible(command.Context(), func() {
		out.Interrupted("interrupted: what has begun is taken back, or finished if the new release serves; another Ctrl-C leaves it as it is, and " + again)
	}, out.AtOnce("what has begun is neither finished nor taken back; "+again))
	defer stop()
	err := session.Interrupted(ctx, a.deployWith(ctx, command, o, out))
	if o.dryRun {
		return err
	}
	return out.End(err)
}

func (a *app) deployWith(ctx context.Context, command *cobra.Command, o deployOptions, out *console.Progress) error {
	if !o.dryRun && !o.rollback {
		if err := a.giveID(out); err != nil {
			return err
		}
	}
	p, err := a.Open()
	if err == nil {
		err = o.fits(p)
	}
	if err != nil {
		return err
	}
	s, err := a.Session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if !o.dryRun {
		release, err := s.Lock(ctx, command, o.wait, out.Say)
		if err != nil {
			return err
		}
		defer release()
		if err := data.Unfinished(ctx, s); err != nil {
			return err
		}
	}
	d := &deployment{app: a, Session: s, options: o, out: out, command: command, began: time.Now()}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	switch {
	case o.dryRun:
		if err := data.Unfinished(ctx, s); err != nil {
			d.plan.Notes = append(d.plan.Notes, "a deploy is refused: "+err.Error())
		}
		return d.preview(ctx)
	case d.plan.Empty() && len(d.options.migrating.pending.Unclear) == 0 && d.options.migrating.run(s, false) == nil:
		return d.nothing(ctx)
	}
	return d.underLock(ctx)
}

// underLock does what is to be done with the engine's lock.
func (d *deployment) underLock(ctx context.Context) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	release, err := d.LockEngine(ctx, d.command, d.options.wait, d.out.Say, lost)
	if err != nil {
		return err
	}
	defer release()
	return session.Interrupted(ctx, d.locked(ctx))
}

// locked plans anew, since what another host did before the engine's lock was taken counts,
// and does what is to be done.
func (d *deployment) locked(ctx context.Context) error {
	if err := data.Unfinished(ctx, d.Session); err != nil {
		return err
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if err := d.fitsData(); err != nil {
		return err
	}
	if answered, err := d.options.migrating.ask(d.command); err != nil {
		return err
	} else if answered {
		if err := d.prepare(ctx); err != nil {
			return err
		}
	}
	if d.plan.Empty() {
		return d.nothing(ctx)
	}
	return d.carryOut(ctx)
}

// giveID gives a project of the oldest tools its id.
func (a *app) giveID(out *console.Progress) error {
	p, err := a.Open()
	if err != nil {
		return err
	}
	made, err := p.EnsureID()
	if made {
		out.Say("the project had no id; it is " + p.File.ID + " from now on, which names its containers and volumes")
	}
	return err
}

// preview prints the plan of a dry run.
func (d *deployment) preview(ctx context.Context) error {
	unfit := d.preflight(ctx, true)
	if err := d.Print(d.command.OutOrStdout(), d.plan, d.plan.Text()); err != nil {
		return err
	}
	switch unclear := d.options.migrating.pending.Unclear; {
	case len(unclear) > 0:
		return unclear
	case unfit != nil:
		return unfit
	}
	err := d.fitsData()
	if err == nil {
		err = d.fitsVolume(ctx)
	}
	switch {
	case err != nil:
		return err
	case d.plan.Empty() && len(d.delivery.Of(files.Add, files.Update)) == 0:
		return nil
	}
	return exit.With(exit.Pending, session.ErrChanges)
}

// nothing says that all is as wanted.
func (d *deployment) nothing(ctx context.Context) error {
	if run := d.options.migrating.run(d.Session, false); run != nil && !d.options.rollback {
		run.Say = func(e migration.Event) { d.out.Say(e.Subject + " " + e.Text) }
		if err := run.Finish(ctx); err != nil {
			return err
		}
	}
	for _, note := range d.plan.Notes {
		d.out.Say(note)
	}
	d.deliver(ctx)
	d.forgetRestore()
	if killed, there := d.Project.Unfinished(); there && killed.Result == "" {
		d.record(nil) // all was done but this
	}
	return d.done("nothing to do: "+d.stands()+", as the files ask for", nil)
}

// stands says what is there at the end.
func (d *deployment) stands() string {
	if only := d.options.services; len(only) > 0 {
		return fmt.Sprintf("%s of version %s %s", english.WordSeries(only, "and"), d.plan.Version, english.PluralWord(len(only), "runs", "run"))
	}
	return fmt.Sprintf("version %s serves", d.plan.Version)
}

// forgetRestore forgets what a restore could not start, where all runs now.
func (d *deployment) forgetRestore() {
	if len(d.options.services) > 0 {
		return
	}
	if err := data.Started(d.Session); err != nil {
		d.out.Say(fmt.Sprintf("note: %v", err))
	}
}

// preflight says besides where the version comes from of images that cannot be had.
func (d *deployment) preflight(ctx context.Context, dry bool) error {
	err := rollout.Preflight(ctx, d.Engine, d.model, d.state, &d.plan, dry)
	unfit, is := errors.AsType[rollout.Unfit](err)
	missing := slices.IndexFunc(d.plan.Pull, func(image string) bool {
		return slices.Contains(d.release.Assumed, image) && strings.Contains(unfit.Error(), image)
	})
	if !is || missing < 0 || d.options.rollback {
		return err
	}
	return append(unfit, exit.Errorf(exit.Unavailable, "no setting names the version of these images, so that %s is asked for: TALE_VERSION in .env names the one that they have", engine.Tag(d.plan.Pull[missing])))
}

// carryOut does what the plan says.
func (d *deployment) carryOut(ctx context.Context) error {
	if err := d.preflight(ctx, false); err != nil {
		return err
	}
	if err := d.fitsVolume(ctx); err != nil {
		return err
	}
	if !d.options.quiet && !d.JSON {
		if _, err := io.WriteString(d.command.ErrOrStderr(), d.plan.Text()); err != nil {
			return err
		}
	}
	if len(d.plan.Consent) > 0 {
		if err := d.Agree(d.command, d.plan.Consent); err != nil {
			d.record(err)
			return err
		}
	}
	d.out.Begin()
	if err := d.options.migrating.remember(d.Session); err != nil {
		return err
	}
	if err := d.takeSnapshot(ctx); err != nil {
		d.record(err)
		return d.out.Failed(err)
	}
	d.makeRoom(ctx)
	if err := d.begin(); err != nil {
		return err
	}
	err := d.run(ctx)
	d.record(err)
	var left *rollout.LeftError
	if err != nil && !errors.As(err, &left) {
		err = d.out.Failed(err)
		d.finish()
		return err
	}
	ctx = context.WithoutCancel(ctx) // the release serves
	d.deliver(ctx)
	d.forgetRestore()
	return d.done(fmt.Sprintf("%s, done at %s after %s: %s\n%s", d.stands(),
		time.Now().Format(time.TimeOnly), time.Since(d.began).Round(100*time.Millisecond), d.Settings.Get("SITE_URL"), d.next()), left)
}

// begin notes what serves, and what is under way.
func (d *deployment) begin() error {
	err := d.recordPredecessor()
	if err == nil {
		err = d.Project.Begin(d.entry())
	}
	if err != nil {
		return exit.Errorf(exit.Code(err), "nothing was changed, since what is under way cannot be noted in the project's folder: %w; tale keeps its state there, so make room or give this user the right to write", err)
	}
	return nil
}

func (d *deployment) run(ctx context.Context) error {
	run := rollout.Rollout{
		Engine: d.Engine, Project: d.Project, Model: d.model, Timeout: d.options.timeout, Say: d.out.Event, Site: d.Visitor,
		Again: func(images []engine.Image) (*compose.Model, error) {
			d.state.Images = images
			model, _, err := d.Aim(d.release, d.options.host, d.options.fresh, d.state, d.target.Scope)
			return model, err
		},
	}
	if !d.options.rollback {
		run.Migrations = d.options.migrating.run(d.Session, false)
	}
	return run.Run(ctx, d.plan)
}

// deliver brings the project's folders into the stack. What keeps it from that is no
// failure of the deploy.
func (d *deployment) deliver(ctx context.Context) {
	if d.options.rollback || len(d.options.services) > 0 {
		return
	}
	delivery, err := d.CompareFiles(ctx)
	if err == nil {
		var written []files.Change
		if written, err = delivery.Deliver(ctx, d.Engine, d.Project.Dir, files.None); len(written) > 0 && err == nil {
			d.out.Say(english.Plural(len(written), "project file", "") + " delivered")
		}
	}
	if err != nil {
		d.out.Say(fmt.Sprintf("warning: the project's folders were not delivered: %v; do it with: tale files push", err))
	}
}

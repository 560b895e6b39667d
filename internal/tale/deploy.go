package tale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/files"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// deployOptions are the flags of deploy and rollback.
type deployOptions struct {
	version   string
	all       bool
	services  []string
	dryRun    bool
	host      string
	fresh     bool
	quiet     bool
	keep      uint
	timeout   time.Duration
	wait      time.Duration
	migrate   bool
	rollback  bool
	snapshot  bool
	loses     bool // --accept-data-loss
	migrating migrating
}

func (a *app) deployCommand() *cobra.Command {
	o := deployOptions{}
	command := &cobra.Command{
		Use:   "deploy",
		Short: "Bring the stack to a release, without downtime",
		Long: `Start the new release beside the one that serves, wait until it is ready and the
proxy offers it, ask the site through its public port, and only then let the old one
drain and stop. Whatever fails or is interrupted before that is taken back: what
served goes on serving. Another run finishes what a killed one has left.

The release is --version, or else TALE_VERSION of .env, or that of this command. Of an
image that tale.json names with a tag, it is that tag. One of an older minor or major
version is refused, as by tale rollback, unless --accept-data-loss is given.

db and proxy are replaced in place when their settings differ, convex also when the
release has another minor version: after a question, unless --yes or --all is given.
A first release that is up and cannot be seen from here yet ends with 3.

Volumes of releases before 0.2.35 are migrated first, after a question; the plan names
what is copied and what stops meanwhile. Sources stay as they are.
` + exitCodes,
		Example: `  tale deploy
  tale deploy --dry-run           # with --json: docs/plan.schema.json
  tale deploy --version 1.4.2 --wait
  tale deploy --services rag,crawler
  tale deploy --all --yes          # also the database, convex and the proxy`,
		RunE: func(command *cobra.Command, _ []string) error { return a.deploy(command, o) },
	}
	flags := command.Flags()
	flags.BoolVarP(&o.all, "all", "a", false, "also bring db, convex and proxy to the release")
	flags.StringSliceVarP(&o.services, "services", "s", nil, "only these services, `A,B`, of those that rotate")
	flags.StringVar(&o.version, "version", "", "release `X` to deploy")
	flags.StringVar(&o.host, "host", "", "host `NAME` of the site inside the network, instead of HOST")
	flags.BoolVar(&o.snapshot, "snapshot", false, "back the data up first, to .tale/snapshots; tale restore brings them back")
	flags.BoolVar(&o.fresh, "fresh", false, "have convex write its built-in configuration anew")
	flags.BoolVar(&o.migrate, "migrate-volumes", false, "old name of --yes")
	o.migrating.flags(command)
	a.rolloutFlags(command, &o)
	_ = flags.MarkDeprecated("migrate-volumes", "use --yes")
	_ = command.RegisterFlagCompletionFunc("services", a.completeServices)
	return command
}

func (a *app) rollbackCommand() *cobra.Command {
	o := deployOptions{rollback: true}
	command := &cobra.Command{
		Use:   "rollback",
		Short: "Bring back the release that served before",
		Long: `Deploy the last release that served successfully before the present one, by the
very images that it ran, without asking a registry. Services that do not rotate and
the data stay as they are: a rollback takes back code, not what it did to the data. A
release of another minor or major version may not read them, so that the way back is
tale restore of what deploy --snapshot has kept, or --accept-data-loss.
` + exitCodes,
		Example: "  tale rollback\n  tale rollback --version 1.4.1 --dry-run",
		RunE:    func(command *cobra.Command, _ []string) error { return a.deploy(command, o) },
	}
	command.Flags().StringVarP(&o.version, "version", "v", "", "release `X` to go back to")
	a.rolloutFlags(command, &o)
	return command
}

func (a *app) rolloutFlags(command *cobra.Command, o *deployOptions) {
	flags := command.Flags()
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the plan and change nothing; exit 10 if there is something to do")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "print the result and errors only")
	flags.BoolVar(&o.loses, "accept-data-loss", false, "go back to an older minor or major version on the present data")
	keepFlag(command, &o.keep)
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long (`TIME`) a service may take to become ready; a boot that gets on has more")
	waitFlag(command, &o.wait)
	_ = command.RegisterFlagCompletionFunc("version", a.completeVersions) // both have the flag
}

func keepFlag(command *cobra.Command, keep *uint) {
	command.Flags().UintVar(keep, "keep", 1, "how many releases (`N`) before the present one keep their images")
}

func waitFlag(command *cobra.Command, wait *time.Duration) {
	command.Flags().DurationVar(wait, "wait", 0, "wait this long (`TIME`) for another command to end")
	command.Flags().Lookup("wait").NoOptDefVal = "5m"
}

// deploy plans, asks, carries out and records.
func (a *app) deploy(command *cobra.Command, o deployOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	a.yes = a.yes || o.migrate
	out := a.progress(command, o.quiet)
	ctx, stop := console.Interruptible(command.Context(), func() {
		out.Say("interrupted: what has begun is taken back, or finished if the new release serves; another Ctrl-C leaves it as it is, and `tale deploy` mends it")
	})
	defer stop()
	err := a.deployWith(ctx, stop, command, o, out)
	var failed *rollout.FailedError
	if err != nil && ctx.Err() != nil && !errors.As(err, &failed) {
		return exit.Errorf(exit.Interrupted, "interrupted: nothing was changed")
	}
	return err
}

func (a *app) deployWith(ctx context.Context, stop func(), command *cobra.Command, o deployOptions, out *console.Progress) error {
	if !o.dryRun && !o.rollback {
		if err := a.giveID(out); err != nil {
			return err
		}
	}
	p, err := a.open()
	if err == nil {
		err = o.fits(p)
	}
	if err != nil {
		return err
	}
	s, err := a.session(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if !o.dryRun {
		release, err := s.lock(ctx, commandLine(command), o.wait, out.Say)
		if err != nil {
			return err
		}
		defer release()
		if err := unfinishedRestore(p); err != nil {
			return err
		}
	}
	d := &deployment{app: a, session: s, options: o, out: out, command: command, began: time.Now()}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	switch {
	case o.dryRun:
		return d.preview(ctx)
	case d.plan.Empty() && len(d.options.migrating.pending.Unclear) == 0 && d.options.migrating.run(s, false) == nil:
		return d.nothing(ctx)
	}
	return d.underLock(ctx, stop)
}

// underLock plans anew, since what another host did before the engine's lock was taken
// counts, and does what is to be done.
func (d *deployment) underLock(ctx context.Context, stop func()) error {
	release, err := d.lockEngine(ctx, commandLine(d.command), d.options.wait, d.out.Say, stop)
	if err != nil {
		return err
	}
	defer release()
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
	p, err := a.open()
	if err != nil {
		return err
	}
	made, err := p.EnsureID()
	if made {
		out.Say("the project had no id; it is " + p.File.ID + " from now on, which names its containers and volumes")
	}
	return err
}

func (o deployOptions) check() error {
	if o.all && len(o.services) > 0 {
		return exit.Errorf(exit.Usage, "--all and --services exclude each other")
	}
	if err := checkHost(o.host); err != nil {
		return err
	}
	var rotating []string
	for _, service := range stack.Services() {
		if service.Rotates {
			rotating = append(rotating, service.Name)
		}
	}
	for _, service := range o.services {
		known := slices.ContainsFunc(stack.Services(), func(s stack.Service) bool { return s.Name == service })
		if known && !slices.Contains(rotating, service) {
			return exit.Errorf(exit.Usage, "--services cannot name %s, of which there is only one: `tale deploy --all` replaces it in place", service)
		}
		if !known {
			return exit.Errorf(exit.Usage, "--services names %q, which is no service; those are %s", service, strings.Join(rotating, ", "))
		}
	}
	return nil
}

// checkHost checks --host, if it is given.
func checkHost(host string) error {
	if problems := config.CheckHost("--host", host); host != "" && len(problems) > 0 {
		return exit.Errorf(exit.Usage, "%s", problems[0].String())
	}
	return nil
}

// fits refuses services that the project does without.
func (o deployOptions) fits(p *project.Project) error {
	var names []string
	for _, service := range p.Services() {
		names = append(names, service.Name)
	}
	for _, service := range o.services {
		if !slices.Contains(names, service) {
			return exit.Errorf(exit.Usage, "--services names %s, which this project does without: tale.json lists %s", service, strings.Join(names, ", "))
		}
	}
	return nil
}

func commandLine(command *cobra.Command) string {
	return console.Quoted(command.CommandPath(), os.Args[min(len(os.Args), strings.Count(command.CommandPath(), " ")+1):]...)
}

// deployment is one run of deploy or rollback.
type deployment struct {
	*app
	*session
	options deployOptions
	out     *console.Progress
	command *cobra.Command
	began   time.Time

	release release
	model   *compose.Model
	state   rollout.State
	target  rollout.Target
	plan    rollout.Plan
	kept    string // file of the snapshot
	// delivery is what differs in the project's folders.
	delivery files.Plan
}

// prepare finds out what is to be done. It changes nothing.
func (d *deployment) prepare(ctx context.Context) (err error) {
	if d.state, err = d.observed(ctx); err != nil {
		return err
	}
	if !d.options.rollback {
		if err := d.options.migrating.observe(ctx, d.session, false, &d.state); err != nil {
			return err
		}
	}
	d.release = d.session.release(d.options.version)
	if image := d.project.File.Images[stack.Platform]; d.options.version != "" && !d.options.rollback && engine.Tag(image) != "" {
		return exit.Errorf(exit.Usage, "--version cannot change the image %s, which tale.json names with its tag: change it there, or leave the tag out there", image)
	}
	scope := rollout.Scope{All: d.options.all, Only: d.options.services, Rollback: d.options.rollback}
	pinned := map[string]string{}
	if d.options.rollback {
		if pinned, err = d.goBack(); err != nil {
			return err
		}
	}
	if err := d.checkLayout(); err != nil {
		return err
	}
	if d.model, d.target, err = d.aim(d.release, d.options.host, d.options.fresh, d.state, scope); err != nil {
		return err
	}
	if err := d.state.AskForeign(ctx, d.engine, d.model); err != nil {
		return err
	}
	for i, wanted := range d.target.Services {
		if id, ok := pinned[wanted.Service]; ok {
			d.target.Services[i].ImageID, d.target.Services[i].Pull = id, false
		}
		if wanted.Service == stack.Convex && d.options.fresh {
			d.target.Services[i].Anew = "--fresh: it writes its built-in configuration anew"
		}
		if wanted.Service == stack.Proxy && d.options.migrating.splits() {
			d.target.Services[i].Anew = "its routes lead to the backend in platform, which moves to convex"
		}
	}
	var notes []string
	if !d.options.rollback {
		notes = d.moving(ctx)
	}
	d.plan = rollout.NewPlan(d.state, d.target)
	d.plan.Notes = append(d.plan.Notes, notes...)
	if err := d.migrations(ctx); err != nil {
		return err
	}
	d.files(ctx)
	if usual := d.session.release("").version; !d.options.rollback && d.options.version != "" && usual != d.release.version {
		d.plan.Notes = append(d.plan.Notes, fmt.Sprintf("a later `tale deploy` without --version brings %s; TALE_VERSION=%s in .env keeps this one", usual, d.release.version))
	}
	if shell := d.settings.FromShell(); len(shell) > 0 {
		d.plan.Notes = append(d.plan.Notes, "taken from the shell, since .env does not have them: "+strings.Join(shell, ", "))
	}
	d.plan.Notes = append(d.plan.Notes, slices.Concat(d.project.Warnings, d.model.Warnings)...)
	return nil
}

// migrations adds those that are pending to the plan.
func (d *deployment) migrations(ctx context.Context) error {
	if d.options.rollback {
		return nil
	}
	foreignProxy := d.state.OtherMakes(d.release.images)[stack.Proxy]
	if err := d.options.migrating.complete(ctx, d.session, &d.state, &d.plan, foreignProxy); err != nil {
		return err
	}
	if len(d.options.services) > 0 && len(d.plan.Migrations) > 0 {
		return exit.Errorf(exit.Config, "the migration %s is pending, which concerns the whole stack: tale deploy without --services applies it", d.plan.Migrations[0].ID)
	}
	return nil
}

// moving asks the registry about tags that may name another image today. Without an
// answer the image that is there is taken.
func (d *deployment) moving(ctx context.Context) (notes []string) {
	silent := map[string]bool{} // registries
	for i, wanted := range d.target.Services {
		if wanted.Pull || !rollout.Moves(wanted.Image) || silent[engine.Registry(wanted.Image)] {
			continue
		}
		remote, err := d.engine.Remote(ctx, wanted.Image)
		if err != nil {
			_, all := errors.AsType[*engine.RegistryError](err)
			silent[engine.Registry(wanted.Image)] = all || errors.Is(err, context.DeadlineExceeded)
			notes = append(notes, fmt.Sprintf("whether %s and others of its registry have moved cannot be known: %v", wanted.Image, err))
			continue
		}
		here := slices.ContainsFunc(d.state.Images, func(image engine.Image) bool {
			return image.ID == wanted.ImageID && slices.Contains(image.Digests, engine.Repository(wanted.Image)+"@"+remote.Digest)
		})
		if !here {
			d.target.Services[i].Pull, d.target.Services[i].ImageID = true, ""
		}
	}
	return notes
}

// files compares the project's folders with those in the stack, for the plan.
func (d *deployment) files(ctx context.Context) {
	if d.options.rollback || len(d.options.services) > 0 {
		return
	}
	var err error
	if d.delivery, err = files.Compare(ctx, d.engine, convexOf(d.state.Containers).ID, d.project.Dir); err != nil {
		d.plan.Notes = append(d.plan.Notes, fmt.Sprintf("the project's folders cannot be compared with the stack's: %v", err))
	} else if summary := d.delivery.Summary(); summary != "" {
		d.plan.Notes = append(d.plan.Notes, "project files, after the switch: "+summary+" (tale files shows which)")
	}
}

// deliver brings the project's folders into the stack. What keeps it from that is no
// failure of the deploy.
func (d *deployment) deliver(ctx context.Context) {
	if d.options.rollback || len(d.options.services) > 0 {
		return
	}
	delivery, err := d.compareFiles(ctx)
	if err == nil {
		var written []files.Change
		if written, err = delivery.Deliver(ctx, d.engine, d.project.Dir, files.None); len(written) > 0 && err == nil {
			d.out.Say(english.Plural(len(written), "project file", "") + " delivered")
		}
	}
	if err != nil {
		d.out.Say(fmt.Sprintf("warning: the project's folders were not delivered: %v; do it with: tale files push", err))
	}
}

// preview prints the plan of a dry run.
func (d *deployment) preview(ctx context.Context) error {
	notes, unfit := rollout.Preflight(ctx, d.engine, d.model, d.state, d.plan, true)
	d.plan.Notes = append(d.plan.Notes, notes...)
	if err := d.print(); err != nil {
		return err
	}
	switch unclear := d.options.migrating.pending.Unclear; {
	case len(unclear) > 0:
		return unclear
	case unfit != nil:
		return unfit
	}
	switch err := d.fitsData(); {
	case err != nil:
		return err
	case d.plan.Empty() && len(d.delivery.Of(files.Add, files.Update)) == 0:
		return nil
	}
	return exit.With(exit.Pending, errChanges)
}

var errChanges = errors.New("a dry run: nothing was changed")

func (d *deployment) print() error {
	if d.json {
		return printJSON(d.command.OutOrStdout(), d.plan)
	}
	return d.plan.Write(d.command.OutOrStdout())
}

// nothing says that all is as wanted.
func (d *deployment) nothing(ctx context.Context) error {
	if run := d.options.migrating.run(d.session, false); run != nil && !d.options.rollback {
		run.Say = func(e migration.Event) { d.out.Say(e.Subject + " " + e.Text) }
		if err := run.Finish(ctx); err != nil {
			return err
		}
	}
	for _, note := range d.plan.Notes {
		d.out.Say(note)
	}
	d.deliver(ctx)
	if _, killed := d.project.Unfinished(); killed {
		d.record(nil) // all was done but this
	}
	what := fmt.Sprintf("version %s serves", d.plan.Version)
	if only := d.options.services; len(only) > 0 {
		what = fmt.Sprintf("%s of version %s run", strings.Join(only, ", "), d.plan.Version)
	}
	return d.out.Result("nothing to do: "+what+", as the files ask for", nil)
}

// carryOut does what the plan says.
func (d *deployment) carryOut(ctx context.Context) error {
	notes, err := rollout.Preflight(ctx, d.engine, d.model, d.state, d.plan, false)
	d.plan.Notes = append(d.plan.Notes, notes...)
	if err != nil {
		return err
	}
	if !d.options.quiet && !d.json {
		if err := d.plan.Write(d.command.ErrOrStderr()); err != nil {
			return err
		}
	}
	if len(d.plan.Consent) > 0 {
		if err := d.agree(d.command, d.plan.Consent); err != nil {
			d.record(err)
			return err
		}
	}
	if err := d.options.migrating.remember(d.session); err != nil {
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
	err = d.run(ctx)
	d.record(err)
	var left *rollout.LeftError
	if err != nil && !errors.As(err, &left) {
		return d.out.Failed(err)
	}
	d.deliver(ctx)
	return d.out.Result(fmt.Sprintf("version %s serves since %s, after %s: %s\nnext: tale status, or back with: tale rollback", d.plan.Version,
		time.Now().Format(time.TimeOnly), time.Since(d.began).Round(100*time.Millisecond), d.settings.Get("SITE_URL")), left)
}

// begin notes what is under way.
func (d *deployment) begin() error {
	if err := d.project.Begin(d.entry()); err != nil {
		return exit.Errorf(exit.Failure, "nothing was changed, since what is under way cannot be noted in the project's folder: %w; tale keeps its state there, so make room or give this user the right to write", err)
	}
	return nil
}

func (d *deployment) run(ctx context.Context) error {
	run := rollout.Rollout{
		Engine: d.engine, Project: d.project, Model: d.model, Timeout: d.options.timeout, Say: d.out.Event, Site: d.visitor,
		Again: func(images []engine.Image) (*compose.Model, error) {
			d.state.Images = images
			model, _, err := d.aim(d.release, d.options.host, d.options.fresh, d.state, d.target.Scope)
			return model, err
		},
	}
	if !d.options.rollback {
		run.Migrations = d.options.migrating.run(d.session, false)
	}
	return run.Run(ctx, d.plan)
}

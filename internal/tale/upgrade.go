package tale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

type upgradeOptions struct {
	version, file        string
	dryRun, force, after bool
}

func (a *app) upgradeCommand() *cobra.Command {
	var o upgradeOptions
	command := &cobra.Command{
		Use:     "upgrade",
		Aliases: []string{"update"},
		Short:   "Replace this command by that of the newest release, or of another",
		Long: `Replace this command by that of the newest complete release, or of the one that is
named, older or newer. Its minisign signature and SHA-256 are verified before it can be
executed, with the keys that are built in; it has to say its version before it takes
the place; the present one stays beside it, as tale.old. A project is not needed, and is
not changed: which migrations its next deploy would make is told, and no more.

Exit codes: 0 done, or nothing to do; 1 failed, nothing changed; 10 a dry run with
changes; 64 usage; 65 the download is refused; 69 the releases cannot be reached; 75
another upgrade is under way; 77 permission; 78 another program is responsible, or no
keys are built in; 130 interrupted, nothing changed.`,
		Example: "  tale upgrade\n  tale upgrade --version 0.9.0\n  tale upgrade --dry-run --json\n  tale upgrade --file ./tale_linux_amd64",
		RunE:    func(command *cobra.Command, _ []string) error { return a.upgrade(command, o) },
	}
	flags := command.Flags()
	flags.StringVarP(&o.version, "version", "v", "", "the release to change to, as `1.2.3` or v1.2.3, also an older one; default: the newest")
	cli.FileVar(flags, &o.file, "file", "take a downloaded `FILE`, beside which its signature FILE.minisig lies")
	flags.BoolVar(&o.dryRun, "dry-run", false, "find the release and say what would be done")
	flags.BoolVarP(&o.force, "force", "f", false, "also if it is the version that is there, or another program installed it")
	// What the older tool calls in the new program.
	flags.BoolVar(&o.after, "internal-sync-only", false, "say which migrations are pending")
	_ = flags.MarkHidden("internal-sync-only")
	return cli.Manual{Reads: func() []config.Variable { return upgradeSettings }}.For(command)
}

var upgradeSettings = []config.Variable{
	{Name: "TALE_RELEASES_URL", Tier: config.TierOperator, Doc: "A folder with copies of releases, instead of GitHub"},
	{Name: "GITHUB_TOKEN", Tier: config.TierOperator, Doc: "For the list of releases, where GitHub limits requests; or GH_TOKEN"},
	{Name: "HTTPS_PROXY"}, {Name: "HTTP_PROXY"}, {Name: "NO_PROXY"},
}

func (a *app) upgrade(command *cobra.Command, o upgradeOptions) error {
	ctx, stop := console.Interruptible(command.Context(), func() {}, console.AtOnce(command.ErrOrStderr(),
		"the command in place is the old one or the new one, `tale version` says which; the same command again goes on"))
	defer stop()
	if o.after {
		return a.sayPending(ctx, command)
	}
	keys, err := selfupdate.Keys()
	if err != nil {
		return err
	}
	p := console.NewProgress(console.Options{Data: command.ErrOrStderr(), Talk: command.ErrOrStderr(), Dumb: a.Environ["TERM"] == "dumb"})
	defer p.Close()
	plan, err := selfupdate.NewPlan(ctx, selfupdate.Options{
		Environ: a.Environ, Version: version.String(), Keys: keys, Want: o.version, File: o.file, Force: o.force,
		Progress: func(arrived, size int64) {
			p.Event(rollout.Event{Kind: rollout.Progress, Stage: "download", Current: arrived, Total: size})
		},
	})
	switch {
	case ctx.Err() != nil:
		return exit.Errorf(exit.Interrupted, "interrupted: nothing was changed")
	case err != nil:
		return err
	}
	for _, skipped := range plan.Skipped {
		p.Say("left out: " + skipped)
	}
	for _, note := range plan.Notes {
		p.Say(note)
	}
	if o.dryRun || !plan.Changes {
		return a.planned(command, plan)
	}
	kept, err := plan.Carry(ctx)
	p.Close() // the new program writes to the same terminal
	if err != nil {
		return session.Interrupted(ctx, err)
	}
	return a.upgraded(ctx, command, plan, kept)
}

// planned tells what an upgrade would do.
func (a *app) planned(command *cobra.Command, plan *selfupdate.Plan) error {
	text := fmt.Sprintf("%s stays at %s\n", plan.Path, plan.From)
	if plan.Changes {
		text = fmt.Sprintf("%s would be changed from %s to %s\n", plan.Path, plan.From, plan.To)
	}
	err := a.Print(command.OutOrStdout(), plan, text)
	if err == nil && plan.Changes {
		err = cli.Logged(exit.With(exit.Pending, errors.New("there is something to do")))
	}
	return err
}

// lookWithin is how long the new program may look for migrations.
const lookWithin = time.Minute

// upgraded tells what was done, and what the new program says of the project.
func (a *app) upgraded(ctx context.Context, command *cobra.Command, plan *selfupdate.Plan, kept string) error {
	looking, cancel := context.WithTimeoutCause(ctx, lookWithin, fmt.Errorf("it has not been found out within %s", lookWithin))
	defer cancel()
	after := exec.CommandContext(looking, plan.Path, "upgrade", "--internal-sync-only", "--project", a.Folder)
	after.Env, after.Stdout, after.Stderr, after.WaitDelay = a.Environ.List(), command.ErrOrStderr(), command.ErrOrStderr(), time.Second
	if err := after.Run(); err != nil {
		err = cmp.Or(context.Cause(looking), err)
		command.PrintErrf("  which migrations are pending is not known: %v\n", err)
	}
	return a.Print(command.OutOrStdout(), struct {
		*selfupdate.Plan
		Kept string `json:"kept"`
	}{plan, kept}, fmt.Sprintf("%s is version %s, and was %s, which is kept as %s\nnext: tale deploy\n", plan.Path, plan.To, plan.From, kept))
}

// sayPending tells which migrations are pending, if there is a project.
func (a *app) sayPending(ctx context.Context, command *cobra.Command) error {
	p, err := a.Open()
	if err != nil {
		return nil //nolint:nilerr // there is no project, and none is needed
	}
	s, err := a.Connect(ctx, p)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, stack := range []struct {
		command     string
		development bool
	}{{"tale deploy", false}, {"tale start", true}} {
		plan, err := migration.Pending(ctx, migration.Of(s.Engine, s.Project, stack.development))
		if err != nil {
			return err
		}
		for _, step := range plan.Steps {
			command.PrintErrf("  pending, and applied by the next %s once you agree: %s (%s): %s\n", stack.command, step.ID, step.IntroducedIn, step.Description)
		}
		for _, doubt := range plan.Unclear {
			command.PrintErrf("  the next %s asks about %s: %s\n", stack.command, doubt.Volume, doubt.Why)
		}
	}
	return nil
}

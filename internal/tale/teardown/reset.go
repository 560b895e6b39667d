package teardown

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/data"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
)

type resetOptions struct {
	tidying
	force, all, volumes bool
	development         bool   // --dev
	name                string // --project-name
}

func (a *app) resetCommand() *cobra.Command {
	o := resetOptions{}
	o.done = "removed; `tale deploy` makes the stack anew"
	command := &cobra.Command{
		Use:   "reset",
		Short: "Remove the project's containers, and with --volumes its data",
		Long: `Stop and remove the containers of both colours, so that the next deploy begins anew;
with --all also those of the database, convex and the proxy, and the network. Each is
stopped within its own grace period, the database last. With --dev it is the development
stack, all of it, and what is in production stays.

Data stay, unless --volumes says otherwise: then the volumes that bear the project's
label go for good, and the project's id has to be typed, or given with --project-name.
--force and --yes do not stand for it.

Exit codes: 0 done, or nothing to do; 1 something could not be removed; 2 declined; 10
a dry run with something to do; 64 usage, or a question without a terminal; 69 the
engine is unreachable; 75 locked; 77 permission; 78 configuration; 130 interrupted.`,
		Example: `  tale reset --dry-run --all
  tale reset --force
  tale reset --dev --volumes                           # asks for the project's id
  tale reset --all --volumes                           # asks for the project's id
  tale reset --all --volumes --project-name shop-1a2b3c --force`,
	}
	tidyFlags(command, &o.tidying)
	flags := command.Flags()
	flags.BoolVarP(&o.force, "force", "f", false, "do not ask whether to remove containers")
	flags.BoolVarP(&o.all, "all", "a", false, "also the database, convex, the proxy and the network")
	flags.BoolVar(&o.development, "dev", false, "all of the development stack instead")
	flags.BoolVar(&o.volumes, "volumes", false, "also all data, for good; needs --all or --dev")
	flags.StringVar(&o.name, "project-name", "", "the project's `ID`, instead of typing it, for --volumes")
	command.RunE = func(command *cobra.Command, _ []string) error {
		return a.told(command, o.dryRun, func(out *console.Progress) error { return a.reset(command, o, out) })
	}
	return command
}

func (a *app) reset(command *cobra.Command, o resetOptions, out *console.Progress) error {
	p, err := a.Open()
	if err != nil {
		return err
	}
	switch id := p.File.ID; {
	case o.all && o.development:
		return exit.Errorf(exit.Usage, "--all and --dev exclude each other: --all is all of the stack in production")
	case o.volumes && !o.all && !o.development:
		return exit.Errorf(exit.Usage, "--volumes needs --all, or --dev: a volume cannot go while its container is there")
	case o.volumes && !o.dryRun && o.name == "" && !a.Prompter(command).Terminal():
		return exit.Errorf(exit.Usage, "there is no terminal to type the project's id on, which --volumes asks for: give it with --project-name %s", id)
	}
	if err := session.CheckID(p, o.name); err != nil {
		return err
	}
	o.agree = func(plan tidy.Plan) error { return a.agreeToReset(command, o, p.File.ID, plan) }
	if o.development {
		o.done = "removed; `tale start` makes the development stack anew"
		return a.OnEngine(command, p, a.left(command, out), func(ctx context.Context, s *session.Session) error {
			id := compose.DevelopmentID(p.File.ID)
			o.plan = func(ctx context.Context) (tidy.Plan, error) {
				return planReset(ctx, s, id, []string{id}, true, o.volumes)
			}
			return a.tidy(ctx, command, s, o.tidying, out)
		})
	}
	return a.OnEngine(command, p, a.left(command, out), func(ctx context.Context, s *session.Session) error {
		o.after = p.Unswitched
		if o.volumes {
			o.settle = func() error { return data.Removed(ctx, s) }
			o.after = func() error { return errors.Join(p.Unswitched(), o.settle()) }
		}
		o.plan = func(ctx context.Context) (tidy.Plan, error) { return reset(ctx, s, o) }
		return a.tidy(ctx, command, s, o.tidying, out)
	})
}

// reset plans what goes.
func reset(ctx context.Context, s *session.Session, o resetOptions) (tidy.Plan, error) {
	id := s.Project.File.ID
	if o.all && !o.volumes && !o.dryRun { // what finishes a restore needs the database
		err := data.Unfinished(ctx, s)
		if _, killed := errors.AsType[*data.UnfinishedError](err); killed {
			err = fmt.Errorf("%w, and --volumes removes the data as well", err)
		}
		if err != nil {
			return tidy.Plan{}, err
		}
	}
	return planReset(ctx, s, id, compose.Projects(id), o.all, o.volumes)
}

// planReset plans what goes of the stack whose names begin with an id, in these compose
// projects.
func planReset(ctx context.Context, s *session.Session, id string, projects []string, all, volumes bool) (tidy.Plan, error) {
	containers, err := s.Engine.Containers(ctx, projects...)
	if err != nil {
		return tidy.Plan{}, err
	}
	var ground tidy.Ground
	if ground.Network, ground.Exists, err = s.Engine.Network(ctx, id+"_"+stack.Network); err != nil {
		return tidy.Plan{}, err
	}
	ground.Volumes, err = s.Engine.Volumes(ctx)
	return tidy.Reset(id, containers, all, volumes, ground), err
}

// agreeToReset asks: for data the id has to be typed, whatever else was said.
func (a *app) agreeToReset(command *cobra.Command, o resetOptions, id string, plan tidy.Plan) error {
	data, cost := "its data", ", and the site is down until the next deploy"
	if o.development {
		data, cost = "the data of its development stack", ""
	}
	if len(plan.Volumes) > 0 && o.name == "" {
		return a.TypedID(command, id, "remove "+data+" for good")
	}
	if o.force {
		return nil
	}
	return a.Agree(command, []string{english.Plural(len(plan.Remove), "container", "") + " would be removed" + cost})
}

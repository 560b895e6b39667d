package deploy

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/logs"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
)

type startOptions struct {
	detach, fresh bool
	port          int
	host          string
	timeout, wait time.Duration
	migrating     migrating
}

func (a *app) startCommand() *cobra.Command {
	o := startOptions{}
	command := &cobra.Command{
		Use:   "start",
		Short: "Start the stack for development, and follow its logs",
		Long: `Start the development stack, beside that of production and apart from it: containers,
volumes and network of its own (ID-dev), nothing rotates, and the folders of the
project that the app reads (agents, workflows, integrations, branding, providers) are
mounted. It waits until the site answers through the proxy, says where, and prints
what the services write until Ctrl-C, which stops them. With --detach they stay.

Volumes of releases before 0.2.35 are migrated first, after a question.

Exit codes: 0 done; 1 it did not start; 2 declined; 64 usage; 69 the engine or a registry is
unreachable; 75 locked; 77 login or permission; 78 configuration; 130 interrupted
before it was ready, and stopped; or at a second Ctrl-C ended at once.`,
		Example: "  tale start\n  tale start -d -p 8443\n  tale stop --dev",
		Args:    cobra.NoArgs,
		RunE:    func(command *cobra.Command, _ []string) error { return a.start(command, o) },
	}
	flags := command.Flags()
	flags.BoolVarP(&o.detach, "detach", "d", false, "return when the site answers")
	session.WaitFlag(command, &o.wait)
	flags.IntVarP(&o.port, "port", "p", stack.HTTPSPort, "`PORT` of this host for the site")
	flags.StringVar(&o.host, "host", "", "host `NAME` of the site, instead of HOST")
	flags.BoolVar(&o.fresh, "fresh", false, "have convex write its built-in configuration anew")
	session.TimeoutFlag(command, &o.timeout, "how long (`TIME`) a service may take to become ready; a boot that moves gets more")
	o.migrating.flags(command)
	return command
}

func (a *app) start(command *cobra.Command, o startOptions) (err error) {
	if o.port < 1 || o.port > 65535 {
		return exit.Errorf(exit.Usage, "--port is %d; a port is 1 to 65535", o.port)
	}
	if err := errors.Join(checkHost(o.host), session.CheckTimeout(o.timeout)); err != nil {
		return err
	}
	out := a.Progress(command, false)
	defer out.Close()
	defer func() { err = out.End(err) }()
	ctx, stop := console.Interruptible(command.Context(), func() { out.Interrupted("stopping; another Ctrl-C leaves the containers as they are") },
		out.AtOnce("the containers are as they are: `tale stop --dev` stops them, and `"+session.CommandLine(command)+"` again goes on with them"))
	defer stop()
	s, err := a.Session(ctx)
	if err != nil {
		return session.Interrupted(ctx, err)
	}
	defer s.Close()
	release, err := s.Lock(ctx, command, o.wait, out.Say)
	if err != nil {
		return session.Interrupted(ctx, err)
	}
	out.Begin() // from here on an interrupt stops the stack
	url, err := a.bringUp(ctx, command, s, o, out)
	release()
	if ctx.Err() == nil {
		if err != nil {
			return out.Failed(err)
		}
		if err := out.Result(url+" answers; `tale stop --dev` stops it", nil); err != nil || o.detach {
			return err
		}
		follow := logs.Options{Projects: []string{compose.DevelopmentID(s.Project.File.ID)}, Follow: true, Warn: func(err error) { out.Say(err.Error()) }}
		style := logs.Style{JSON: a.JSON, Paint: a.Paints(command.OutOrStdout())}
		err = logs.Read(ctx, s.Engine, follow, follow.Printer(command.OutOrStdout(), style))
		if ctx.Err() == nil {
			return err // nobody reads any more: it goes on as with --detach
		}
	} else {
		err = exit.With(exit.Interrupted, errors.New("interrupted before the stack was ready"))
	}
	return errors.Join(err, stopDevelopment(s, out))
}

// stopDevelopment stops what was started, though the command was interrupted.
func stopDevelopment(s *session.Session, out *console.Progress) error {
	ctx := context.Background()
	containers, err := s.Engine.Containers(ctx, compose.DevelopmentID(s.Project.File.ID))
	if err != nil {
		return err
	}
	return tidy.Stop(compose.DevelopmentID(s.Project.File.ID), containers).Run(ctx, s.Engine, out.Say)
}

// bringUp makes the stack be as the files say, and returns where it answers.
func (a *app) bringUp(ctx context.Context, command *cobra.Command, s *session.Session, o startOptions, out *console.Progress) (string, error) {
	id := compose.DevelopmentID(s.Project.File.ID)
	state, err := rollout.Observe(ctx, s.Engine, id)
	if err != nil {
		return "", err
	}
	if err := a.observeMigrations(ctx, command, s, &o.migrating, &state); err != nil {
		return "", err
	}
	r := s.Release("")
	options := compose.Options{Project: s.Project, Settings: s.Settings, Images: r.Images, Versions: r.Versions, Host: o.host, Fresh: o.fresh, Port: o.port}
	model, target, err := state.Aim(id, r.Version, options, rollout.Scope{All: true}, compose.Development)
	if err != nil {
		return "", err
	}
	for _, warning := range model.Warnings {
		out.Say(warning)
	}
	elsewhere, err := apart(ctx, s, model)
	if err != nil {
		return "", err
	}
	if elsewhere != "" {
		out.Say("note: documents are in " + elsewhere + ", for whatever else uses it as well")
	}
	if err := state.AskForeign(ctx, s.Engine, model); err != nil {
		return "", err
	}
	plan := rollout.NewPlan(state, target)
	if err := a.agreeToMigrate(ctx, command, s, &o.migrating, &state, &plan, state.OtherMakes(r.Images)[stack.Proxy]); err != nil {
		return "", err
	}
	moved, err := places{s.Engine, state, plan, model, o.migrating.pending.Copied}.moved(ctx)
	if err != nil {
		return "", err
	}
	for _, reason := range moved {
		out.Say("note: " + reason)
	}
	known := len(plan.Notes)
	err = rollout.Preflight(ctx, s.Engine, model, state, &plan, false)
	for _, note := range plan.Notes[known:] {
		out.Say(note)
	}
	if err != nil {
		return "", err
	}
	s.Settings = developmentSettings(s.Settings, model)
	run := rollout.Rollout{
		Engine: s.Engine, Project: s.Project, Model: model, Timeout: o.timeout, Say: out.Event, Site: s.Visitor, Migrations: o.migrating.run(s, true),
		Again: func(images []engine.Image) (*compose.Model, error) {
			state.Images = images
			model, _, err := state.Aim(id, r.Version, options, target.Scope, compose.Development)
			return model, err
		},
	}
	return s.Settings.Get("SITE_URL"), run.Run(ctx, plan)
}

// developmentSettings returns the settings with the site as the model has it.
func developmentSettings(settings project.Settings, model *compose.Model) project.Settings {
	own := maps.Clone(settings)
	proxy, there := model.Service(stack.Proxy, "")
	for _, name := range []string{"HOST", "SITE_URL", "TLS_MODE"} {
		if text := proxy.Environment[name]; there && text != "" {
			own[name] = project.Value{Text: text, From: project.FromFile}
		}
	}
	return own
}

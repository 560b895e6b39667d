package platform

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Command returns platform-entrypoint's command line.
func Command(environ config.Environ) *cobra.Command {
	root := &cobra.Command{
		Use:   "platform-entrypoint",
		Short: "Boot and run Tale's platform container",
		Long: `platform-entrypoint waits for the Convex backend, syncs the deployment's
environment variables, deploys the functions, runs the web server and drains it
on a stop. Without a command it does all of that (run). Its settings are variables
of the environment.`,
	}
	e := entrypoint.New(serviceName, root, environ)
	e.Sections = statusSections()
	run := e.Booting(&cobra.Command{
		Use:     "run",
		Short:   "Push, then serve until a stop is requested (the default)",
		Long:    "Wait for the Convex backend, sync the variables, deploy the functions, and serve until a\nstop is requested. A failed push ends it, with cause and fix at the end of the log." + entrypoint.Ends(),
		Example: "  platform-entrypoint --env-file .env run",
	}, cli.Manual{Reads: cli.Reading(Settings{})}, bootCommand("", (*Boot).everything))
	push := e.Booting(&cobra.Command{
		Use:     "push",
		Short:   "Wait, sync the variables, deploy, and exit",
		Long:    "Do what a boot does before it serves, and exit: for a pipeline, or beside a service." + entrypoint.Ends(),
		Example: "  docker compose exec platform platform-entrypoint push",
	}, cli.Manual{Reads: cli.Reading(Settings{}), Page: "docs/deploy.md"}, bootCommand("push", (*Boot).pushOnly))
	serve := e.Booting(&cobra.Command{
		Use:     "serve",
		Short:   "Wait for the push of this release, then run the web server",
		Long:    "Push nothing: wait until a pipeline or a job has pushed the functions of this release, which is asked\nwith reads only, and serve until a stop is requested." + entrypoint.Ends(),
		Example: "  platform-entrypoint --env-file .env serve",
	}, cli.Manual{Reads: cli.Reading(Settings{})}, func(ctx context.Context, inv entrypoint.Invocation) error {
		inv.Unused = config.Describe(stack.Database{}) // it is pushed, and nothing is here
		return bootCommand("", (*Boot).serveOnly)(ctx, inv)
	})
	e.Add(root, run, push, serve,
		envCommand(e), doctorCommand(e), pushIndexCommand(environ))
	return cli.Manual{Reads: cli.Reading(Settings{}), Page: "docs/operations.md, docs/environment.md"}.For(root)
}

// bootCommand boots as planned; job is empty for what serves.
func bootCommand(job string, plan func(*Boot) boot.Plan) func(context.Context, entrypoint.Invocation) error {
	return func(ctx context.Context, inv entrypoint.Invocation) error {
		settings := &Settings{}
		unusable := inv.Prepare(ctx, settings, &settings.Settings, func() entrypoint.Folders { return entrypoint.Folders{} })
		settings.normalize()
		b := newBoot(settings, inv, job)
		b.unusable = unusable
		return b.Run(ctx, plan(b))
	}
}

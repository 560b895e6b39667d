package platform

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
)

// Command returns platform-entrypoint's command line.
func Command(environ config.Environ) *cobra.Command {
	root := &cobra.Command{
		Use:   "platform-entrypoint",
		Short: "Boot and run Tale's platform container",
		Long: `platform-entrypoint waits for the Convex backend, syncs the deployment's
environment variables, deploys the functions, runs the web server and drains it
on a stop. Without a command it does all of that (run). Its settings are
environment variables; docs/environment.md lists them.`,
	}
	e := entrypoint.New(serviceName, root, environ)
	e.Sections = statusSections()
	run := e.Command("run", "Push, then serve until a stop is requested (the default)", bootCommand("", (*Boot).everything))
	e.Add(root, run,
		e.Command("push", "Wait, sync the variables, deploy, and exit", bootCommand("push", (*Boot).pushOnly)),
		e.Command("serve", "Run the web server only", bootCommand("", (*Boot).serveOnly)),
		envCommand(e), doctorCommand(e), pushIndexCommand(environ))
	return root
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

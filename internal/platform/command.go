package platform

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/boot"
	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/logging"
)

// program is what the commands share: where their environment comes from.
type program struct {
	environ func() (config.Environ, error)
}

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
	p := &program{environ: cli.EnvFile(root, environ)}
	e := boot.Entrypoint{Service: serviceName, Environ: p.environ}
	run := e.Command("run", "Push, then serve until a stop is requested (the default)", bootCommand("", (*Boot).everything))
	root.RunE, root.Annotations = run.RunE, run.Annotations
	root.AddCommand(run,
		e.Command("push", "Wait, sync the variables, deploy, and exit", bootCommand("push", (*Boot).pushOnly)),
		e.Command("serve", "Run the web server only", bootCommand("", (*Boot).serveOnly)),
		p.envCommand(), e.AdminKey(), p.doctorCommand(), pushIndexCommand(),
		entrypoint.ExecCommand(p.environ), cli.VersionCommand())
	root.AddCommand(e.Inspect()...)
	return root
}

// bootCommand boots as planned; job is empty for what serves.
func bootCommand(job string, plan func(*Boot) boot.Plan) func(context.Context, boot.Process) error {
	return func(ctx context.Context, process boot.Process) error {
		settings := &Settings{}
		problems := process.Load(settings)
		settings.normalize()
		entered := process.Enter(ctx, settings.Boot, boot.Folders{})
		b := newBoot(settings, process, job)
		b.unusable = errors.Join(problems, entered)
		return b.Run(ctx, plan(b))
	}
}

// quiet is the logger of commands that print a result: warnings only, beside it.
func quiet(command *cobra.Command) *slog.Logger {
	return logging.New(command.ErrOrStderr(), logging.FormatConsole, slog.LevelWarn)
}

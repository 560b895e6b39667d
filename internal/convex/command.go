package convex

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/boot"
	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
)

// program is what the commands share: where their environment comes from.
type program struct {
	environ func() (config.Environ, error)
}

// Command returns convex-entrypoint's command line.
func Command(environ config.Environ) *cobra.Command {
	root := &cobra.Command{
		Use:   "convex-entrypoint",
		Short: "Boot and run Tale's convex container",
		Long: `convex-entrypoint checks the data folder and the database, seeds the built-in
configuration, runs the Convex backend and its dashboard, restarts what dies and
says why it died. Without a command it does all of that (run). Its settings are
environment variables; docs/environment.md lists them.`,
	}
	p := &program{environ: cli.EnvFile(root, environ)}
	e := boot.Entrypoint{Service: serviceName, Environ: p.environ}
	run := e.Command("run", "Check, seed and serve until a stop is requested (the default)", bootService)
	root.RunE, root.Annotations = run.RunE, run.Annotations
	root.AddCommand(run, e.Command("seed", "Seed the built-in configuration into the data folder, and exit", seedFolder),
		e.AdminKey(), p.patchCommand(), entrypoint.ExecCommand(p.environ), cli.VersionCommand())
	root.AddCommand(e.Inspect()...)
	return root
}

// bootService is the service until a stop is requested.
func bootService(ctx context.Context, process boot.Process) error {
	settings := &Settings{}
	problems := process.Load(settings)
	// Before anything is written, so that it is written by the right user.
	entered := process.Enter(ctx, settings.Boot, boot.Folders{
		Data: []string{settings.Folders.DataDir}, Writable: []string{settings.Folders.BackendDir(), settings.tempDir()},
	})
	b := newBoot(settings, process)
	b.unusable = errors.Join(problems, entered)
	if b.unusable == nil {
		defer b.watchTrust(ctx)()
	}
	return b.Run(ctx, b.everything())
}

func seedFolder(ctx context.Context, process boot.Process) error {
	settings := &struct {
		Boot    boot.Settings
		Seed    Seed
		Folders Folders
	}{}
	if err := process.Load(settings); err != nil {
		return err
	}
	if err := process.Enter(ctx, settings.Boot, boot.Folders{Data: []string{settings.Folders.DataDir}}); err != nil {
		return err
	}
	result, err := seed(ctx, process.Log, settings.Seed, settings.Folders.DataDir)
	if err == nil {
		process.Log.Info("seeded", "result", result.String())
	}
	return err
}

func (p *program) patchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "patch-dashboard DIR",
		Short: "Set the base path of the dashboard in DIR, at the build of an image",
		Long: `patch-dashboard sets DASHBOARD_BASE_PATH as base path and asset prefix in the
Next.js standalone server in DIR. It fails, and changes nothing, if that is not
exactly what it expects.`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			settings := struct{ Dashboard Dashboard }{}
			environ, err := p.environ()
			if err != nil {
				return err
			}
			if err := config.Load(&settings, environ); err != nil {
				return err
			}
			if err := patchDashboard(args[0], settings.Dashboard.BasePath); err != nil {
				return err
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "the dashboard in %s is served under %s\n", args[0], settings.Dashboard.BasePath)
			return err
		},
	}
}

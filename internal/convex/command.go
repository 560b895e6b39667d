package convex

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/dashboard"
	"github.com/tale-project/tale-runtime/internal/convex/seed"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// Command returns convex-entrypoint's command line.
func Command(environ config.Environ) *cobra.Command {
	root := &cobra.Command{
		Use:   "convex-entrypoint",
		Short: "Boot and run Tale's convex container",
		Long: `convex-entrypoint checks the data folder and the database, seeds the built-in
configuration, runs the Convex backend and its dashboard, restarts what dies and
says why it died. Without a command it does all of that (run). Its settings are
variables of the environment.`,
	}
	e := entrypoint.New(serviceName, root, environ)
	run := e.Booting(&cobra.Command{
		Use:     "run",
		Short:   "Check, seed and serve until a stop is requested (the default)",
		Long:    "Check database and data folder, seed the built-in configuration, and run the backend and\nits dashboard until a stop is requested." + entrypoint.Ends(),
		Example: "  convex-entrypoint --env-file .env run",
	}, cli.Manual{Reads: cli.Reading(Settings{})}, bootService)
	seedCommand := e.Booting(&cobra.Command{
		Use:     "seed",
		Short:   "Seed the built-in configuration into the data folder, and exit",
		Long:    "Copy the built-in configuration into the data folder, and exit. Files that are there stay\nas they are, unless FORCE_SEED is set." + cli.Ends("0 done", exit.NoPermission, exit.Config),
		Example: "  docker compose exec convex convex-entrypoint seed",
	}, cli.Manual{Reads: cli.Reading(seedSettings{})}, seedFolder)
	e.Add(root, run, seedCommand, doctorCommand(e), patchCommand(e))
	return cli.Manual{Reads: cli.Reading(Settings{}), Page: "docs/convex.md, docs/environment.md"}.For(root)
}

// bootService runs the service until a stop is requested.
func bootService(ctx context.Context, inv entrypoint.Invocation) error {
	settings := &Settings{}
	unusable := inv.Prepare(ctx, settings, &settings.Settings, func() entrypoint.Folders {
		return entrypoint.Folders{
			Data: []string{settings.Volume.DataDir}, Writable: []string{settings.Volume.BackendDir(), settings.backend().TempDir()},
		}
	})
	b := newBoot(settings, inv)
	b.unusable = unusable
	if unusable == nil {
		defer b.trust.Start(ctx)()
	}
	return b.Run(ctx, b.everything())
}

// seedSettings are what seeding reads.
type seedSettings struct {
	entrypoint.Settings
	Seed   seed.Settings
	Volume volume.Settings
}

func seedFolder(ctx context.Context, inv entrypoint.Invocation) error {
	settings := &seedSettings{}
	folders := func() entrypoint.Folders { return entrypoint.Folders{Data: []string{settings.Volume.DataDir}} }
	if err := inv.Prepare(ctx, settings, &settings.Settings, folders); err != nil {
		return err
	}
	result, err := seed.Run(ctx, inv.Log, settings.Seed, settings.Volume.DataDir)
	if err == nil {
		inv.Log.Info("seeded", "result", result.String())
	}
	return err
}

func patchCommand(e entrypoint.Entrypoint) *cobra.Command {
	return cli.Manual{Reads: cli.Reading(dashboard.Settings{})}.For(&cobra.Command{
		Use:   "patch-dashboard DIR",
		Short: "Set the base path of the dashboard in DIR, at the build of an image",
		Long: `patch-dashboard sets DASHBOARD_BASE_PATH as base path and asset prefix in the
Next.js standalone server in DIR. It fails, and changes nothing, if that is not
exactly what it expects.` + cli.Ends("0 done; 1 it is not as expected", exit.Config),
		Example: "  convex-entrypoint patch-dashboard /dashboard",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			settings := struct{ Dashboard dashboard.Settings }{}
			environ, err := e.Environ()
			if err != nil {
				return err
			}
			if err := config.Load(&settings, environ); err != nil {
				return err
			}
			if err := dashboard.Patch(args[0], settings.Dashboard.BasePath); err != nil {
				return err
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "the dashboard in %s is served under %s\n", args[0], settings.Dashboard.BasePath)
			return err
		},
	})
}

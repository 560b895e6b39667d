package convex

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/adminkey"
	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/status"
	"github.com/tale-project/tale-runtime/internal/supervise"
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
	run := p.runCommand()
	root.RunE = run.RunE
	root.AddCommand(run, p.seedCommand(), p.healthcheckCommand(), p.statusCommand(), p.adminKeyCommand(),
		p.patchCommand(), cli.ExecCommand(p.environ), cli.VersionCommand())
	return root
}

func (p *program) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Check, seed and serve until a stop is requested (the default)",
		RunE: func(command *cobra.Command, _ []string) error {
			environ, err := p.environ()
			if err != nil {
				return err
			}
			settings := &Settings{}
			err = config.Load(settings, environ)
			// Whoever reads the log must not be able to stop the backend.
			output := logging.NewWriter(command.OutOrStdout())
			defer func() { _ = output.Close() }()
			log := settings.Logger(output)
			ctx, release := supervise.StopContext(command.Context(), log)
			defer release()
			if err == nil {
				// Before anything is written, so that it is written by the right user.
				err = settings.enter(ctx, log)
			}
			b := newBoot(settings, environ, log)
			if err != nil {
				return b.end(ctx, stageConfig, err)
			}
			return b.run(ctx)
		},
	}
}

func (p *program) seedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "seed",
		Short: "Seed the built-in configuration into the data folder, and exit",
		RunE: func(command *cobra.Command, _ []string) error {
			settings := struct {
				logging.Settings
				Seed    Seed
				Folders Folders
				RunAs   RunAs
			}{}
			if err := p.load(&settings); err != nil {
				return err
			}
			if problems := settings.RunAs.check(); len(problems) > 0 {
				return problems
			}
			log := settings.Logger(command.OutOrStdout())
			if err := settings.RunAs.enter(command.Context(), log, settings.Folders); err != nil {
				return err
			}
			result, err := seed(command.Context(), log, settings.Seed, settings.Folders.DataDir)
			if err == nil {
				log.Info("seeded", "result", result.String())
			}
			return err
		},
	}
}

func (p *program) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Exit 0 when convex is ready, 1 with the reason when not",
		RunE: func(command *cobra.Command, _ []string) error {
			var settings inspection
			if err := p.load(&settings); err != nil {
				return err
			}
			line, err := health.Check(command.Context(), settings.StatusAddr, health.NewMarkers(settings.Folders.RunDir, "convex"))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), line)
			return err
		},
	}
}

// inspection are the settings of the commands that look at a running service.
type inspection struct {
	Folders    Folders
	StatusAddr string `env:"STATUS_ADDR" envDefault:":9180" empty:"keep"`
}

func (p *program) statusCommand() *cobra.Command {
	return status.Command(func() (status.Source, error) {
		var settings inspection
		err := p.load(&settings)
		return status.Source{Addr: settings.StatusAddr, ReportPath: settings.Folders.reportPath()}, err
	})
}

func (p *program) adminKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "admin-key",
		Short: "Print an admin key for the Convex dashboard; it gives full access to all data",
		RunE: func(command *cobra.Command, _ []string) error {
			settings := struct{ Instance Instance }{}
			if err := p.load(&settings); err != nil {
				return err
			}
			if problems := settings.Instance.check(); len(problems) > 0 {
				return problems
			}
			key, err := adminkey.Mint(settings.Instance.Name, settings.Instance.Secret.Reveal())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), key)
			return err
		},
	}
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
			if err := p.load(&settings); err != nil {
				return err
			}
			if err := PatchDashboard(args[0], settings.Dashboard.BasePath); err != nil {
				return err
			}
			_, err := fmt.Fprintf(command.OutOrStdout(), "the dashboard in %s is served under %s\n", args[0], settings.Dashboard.BasePath)
			return err
		},
	}
}

func (p *program) load(settings any) error {
	environ, err := p.environ()
	if err != nil {
		return err
	}
	return config.Load(settings, environ)
}

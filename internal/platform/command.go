package platform

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/adminkey"
	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/status"
	"github.com/tale-project/tale-runtime/internal/supervise"
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
	run := p.bootCommand("run", "Push, then serve until a stop is requested (the default)", (*Boot).run,
		stageWait, stageAuth, stageEnv, stageDeploy, stageServe, stageReady)
	root.RunE = run.RunE
	root.AddCommand(run,
		p.bootCommand("push", "Wait, sync the variables, deploy, and exit", (*Boot).pushOnly, stageWait, stageAuth, stageEnv, stageDeploy),
		p.bootCommand("serve", "Run the web server only", (*Boot).serveOnly, stageServe, stageReady),
		p.envCommand(), p.healthcheckCommand(), p.statusCommand(), p.adminKeyCommand(), p.doctorCommand(), pushIndexCommand(),
		cli.ExecCommand(p.environ), cli.VersionCommand())
	return root
}

func (p *program) bootCommand(name, short string, boot func(*Boot, context.Context) error, stages ...string) *cobra.Command {
	return &cobra.Command{
		Use:   name,
		Short: short,
		RunE: func(command *cobra.Command, _ []string) error {
			environ, err := p.environ()
			if err != nil {
				return err
			}
			settings, err := Load(environ)
			// A slow reader of our log must not keep a stop from being acted on.
			out := logging.NewWriter(command.OutOrStdout())
			defer func() { _ = out.Close() }()
			log := settings.Logger(out)
			b := newBoot(settings, environ, log, stages...)
			if err != nil {
				return b.fail(stageConfig, err)
			}
			ctx, release := supervise.StopContext(command.Context(), log)
			defer release()
			return boot(b, ctx)
		},
	}
}

func (p *program) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Exit 0 when the platform is ready, 1 with the stage and the reason when not",
		RunE: func(command *cobra.Command, _ []string) error {
			var settings RuntimeSettings
			if err := p.load(&settings); err != nil {
				return err
			}
			line, err := health.Check(command.Context(), settings.StatusAddr, health.NewMarkers(settings.RunDir, "platform"))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), line)
			return err
		},
	}
}

func (p *program) adminKeyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "admin-key",
		Short: "Print an admin key for the Convex dashboard; it gives full access to all data",
		RunE: func(command *cobra.Command, _ []string) error {
			settings := struct{ BackendSettings }{}
			if err := p.load(&settings); err != nil {
				return err
			}
			if problems := config.CheckInstanceSecret("INSTANCE_SECRET", settings.InstanceSecret); len(problems) > 0 {
				return problems
			}
			key, err := adminkey.Mint(settings.InstanceName, settings.InstanceSecret.Reveal())
			if err != nil {
				return exit.With(exit.Config, err)
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), key)
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

// quiet is the logger of commands that print a result: warnings only, beside it.
func quiet(command *cobra.Command) *slog.Logger {
	return logging.New(command.ErrOrStderr(), logging.FormatConsole, slog.LevelWarn)
}

func (p *program) statusCommand() *cobra.Command {
	return status.Command(func() (status.Source, error) {
		var settings RuntimeSettings
		err := p.load(&settings)
		return status.Source{Addr: settings.StatusAddr, ReportPath: settings.reportPath(false)}, err
	})
}

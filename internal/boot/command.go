package boot

import (
	"context"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// Entrypoint makes the commands that every entrypoint has.
type Entrypoint struct {
	// Service is the name that Options have.
	Service string
	// Environ gives the environment once the flags are parsed.
	Environ func() (config.Environ, error)
}

// Process is what a command that boots is given.
type Process struct {
	Log     *slog.Logger
	Environ config.Environ
	service string
}

// Load fills a settings struct as config.Load does.
func (p Process) Load(settings any) error { return config.Load(settings, p.Environ) }

// Enter makes this process the user that the service runs as, with folders that
// this user can write to, and with HOME in Environ. Load the settings before: a
// secret file may be for root's eyes only.
func (p Process) Enter(ctx context.Context, own Settings, folders Folders) error {
	return own.enter(ctx, p, folders)
}

// Command makes a command that runs until its work is done or a stop is
// requested, which ends the context of run.
func (e Entrypoint) Command(use, short string, run func(context.Context, Process) error) *cobra.Command {
	return &cobra.Command{
		Use:         use,
		Short:       short,
		Annotations: cli.HandlesStop(),
		RunE: func(command *cobra.Command, _ []string) error {
			environ, err := e.Environ()
			// A slow reader of our log must not keep a stop from being acted on.
			out := logging.NewWriter(command.OutOrStdout())
			defer func() { _ = out.Close() }()
			log := logger(environ, out)
			ctx, release := supervise.StopContext(command.Context(), log)
			defer release()
			if err != nil {
				return err
			}
			return run(ctx, Process{Log: log, Environ: environ, service: e.Service})
		},
	}
}

// logger does without settings that are wrong: that is told with all the other
// problems, in the log.
func logger(environ config.Environ, out *logging.Writer) *slog.Logger {
	var settings logging.Settings
	_ = config.Load(&settings, environ)
	return settings.Logger(out)
}

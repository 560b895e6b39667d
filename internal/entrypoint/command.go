package entrypoint

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint/privilege"
	"github.com/tale-project/tale-runtime/internal/entrypoint/processlimit"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// Ends returns the exit codes of a boot, for the help of its command.
func Ends() string {
	return cli.Ends("0 "+exit.Meaning(0), exit.DeployRefused, exit.Unavailable, exit.UnrequestedEnd, exit.Temporary, exit.NoPermission,
		exit.Config, exit.NotExecutable, exit.NotFound) + "\nAny other: a critical child's own code, or 128 + the signal that ended it."
}

// Entrypoint makes the commands of a service's entrypoint.
type Entrypoint struct {
	service string
	program string
	// Environ returns the environment once the flags are parsed.
	Environ func() (config.Environ, error)
	// Sections are how the status command shows the service's sections.
	Sections status.Sections
}

// New prepares the commands below root for a service, whose name is that in
// boot.Options.
func New(service string, root *cobra.Command, environ config.Environ) Entrypoint {
	return Entrypoint{service: service, program: root.Name(), Environ: cli.EnvFile(root, environ)}
}

// Add gives root its commands: run, which is the default, those of the service,
// and those that every entrypoint has.
func (e Entrypoint) Add(root, run *cobra.Command, commands ...*cobra.Command) {
	root.RunE, root.Annotations, root.Example = run.RunE, run.Annotations, run.Example
	root.Long += Ends()
	root.AddCommand(run)
	root.AddCommand(commands...)
	root.AddCommand(e.healthcheck(), e.status(), e.adminKey(), e.exec(), cli.CompletionCommand(e.program), cli.VersionCommand(e.program))
}

// Invocation is what a command that boots is given.
type Invocation struct {
	Log     *slog.Logger
	Environ config.Environ
	// Unused are variables that the command has no use for: what is wrong with them is
	// none of its problems.
	Unused  []config.Variable
	service string
}

// Load fills a settings struct as config.Load does.
func (i Invocation) Load(settings any) error {
	err := config.Load(settings, i.Environ)
	if problems, ok := errors.AsType[config.Problems](err); ok {
		return problems.Without(i.Unused).Err()
	}
	return err
}

// Enter makes this process the user that the service runs as, with folders that
// this user can write to, and with HOME in Environ. Load the settings before: a
// secret file may be for root's eyes only.
func (i Invocation) Enter(ctx context.Context, own Settings, folders Folders) error {
	return own.enter(ctx, i, folders)
}

// Prepare loads the settings, of which own are a part, and enters the folders
// that they then name. Its error is for the boot to report.
func (i Invocation) Prepare(ctx context.Context, settings any, own *Settings, folders func() Folders) error {
	problems := i.Load(settings)
	// Giving up root takes every thread, and the runtime one more.
	if err := processlimit.Check(i.Log, processlimit.FewestWithChildren); err != nil {
		return errors.Join(problems, err)
	}
	// Before anything is written, so that it is written by the right user.
	entered := i.Enter(ctx, *own, folders())
	if errors.As(entered, new(*privilege.LinkError)) {
		own.Boot.RunDir = "" // still root, this process must not write there
	}
	return errors.Join(problems, entered)
}

// Booting makes a command, of which the texts are given, one that runs until its work is done or a stop is requested, which ends the context of run.
func (e Entrypoint) Booting(command *cobra.Command, manual cli.Manual, run func(context.Context, Invocation) error) *cobra.Command {
	command.Annotations = cli.HandlesStop()
	command.RunE = func(command *cobra.Command, _ []string) error {
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
		return run(ctx, Invocation{Log: log, Environ: environ, service: e.service})
	}
	return manual.For(command)
}

// logger does without settings that are wrong: that is told with all the other
// problems, in the log.
func logger(environ config.Environ, out *logging.Writer) *slog.Logger {
	var settings logging.Settings
	_ = config.Load(&settings, environ)
	return settings.Logger(out)
}

package cli

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// statusError carries the exit code of a command that ran; it is the command's
// own affair and nothing of ours to print.
type statusError struct{ status supervise.Status }

func (e *statusError) Error() string { return e.status.String() }
func (e *statusError) ExitCode() int { return e.status.ExitCode() }

// ExecCommand is the command that runs any command under our supervision, as a
// small init program does.
func ExecCommand(environ func() (config.Environ, error)) *cobra.Command {
	var noGroup bool
	var rules []string
	command := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run one command as an init program does: signals, orphans, exit code",
		Args:  cobra.MinimumNArgs(1),
		// supervise.ExecCommand passes stop signals on from the first.
		Annotations: HandlesStop(),
		RunE: func(command *cobra.Command, args []string) error {
			signals, err := supervise.ParseSignalMap(rules)
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			environ, err := environ()
			if err != nil {
				return err
			}
			log := logging.New(command.ErrOrStderr(), logging.FormatConsole, slog.LevelWarn)
			status, err := supervise.ExecCommand(log, supervise.ExecOptions{
				Argv: args, Env: environ.List(), Signals: signals, NoGroup: noGroup,
			})
			if err != nil {
				return err
			}
			if !status.Success() {
				return Logged(&statusError{status})
			}
			return nil
		},
	}
	// What follows the command's name is the command's, with or without "--".
	command.Flags().SetInterspersed(false)
	command.Flags().BoolVar(&noGroup, "no-group", false, "send signals to the command alone and not to its process group")
	command.Flags().StringArrayVar(&rules, "signal", nil, "send another signal instead: `FROM=TO`, names or numbers, 0 ignores it (repeatable)")
	return command
}

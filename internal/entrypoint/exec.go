package entrypoint

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint/privilege"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// statusError carries the exit code of a command that ran. The command has said
// itself what there is to say.
type statusError struct{ status supervise.Status }

func (e *statusError) Error() string { return e.status.String() }
func (e *statusError) ExitCode() int { return e.status.ExitCode() }

// exec runs any command under our supervision, as a small init program does.
func (e Entrypoint) exec() *cobra.Command {
	var noGroup bool
	var rules []string
	var as string
	command := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run one command as an init program does: signals, orphans, user, exit code",
		Long: "Run one command as an init program does: it passes signals on, takes care of orphans, and\ncan give up root first." +
			cli.Ends("the command's own, or 128 + the signal that ended it", exit.NoPermission, exit.NotExecutable, exit.NotFound),
		Example: fmt.Sprintf("  %[1]s exec --user 1001:1001 -- ./server --port 3000\n  %[1]s exec --signal TERM=INT -- ./server", e.program),
		Args:    cobra.MinimumNArgs(1),
		// supervise.Exec passes stop signals on from the first.
		Annotations: cli.HandlesStop(),
		RunE: func(command *cobra.Command, args []string) error {
			signals, err := supervise.ParseSignalMap(rules)
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			environ, err := e.Environ()
			if err != nil {
				return err
			}
			log := logging.New(command.ErrOrStderr(), logging.FormatConsole, slog.LevelWarn)
			if err := become(command.Context(), log, as, environ); err != nil {
				return err
			}
			status, err := supervise.Exec(log, supervise.ExecOptions{
				Argv: args, Env: environ.List(), Signals: signals, NoGroup: noGroup,
			})
			if err != nil {
				return err
			}
			if !status.Success() {
				return cli.Logged(&statusError{status})
			}
			return nil
		},
	}
	// What follows the command's name is the command's, with or without "--".
	command.Flags().SetInterspersed(false)
	command.Flags().BoolVar(&noGroup, "no-group", false, "send signals to the command alone and not to its process group")
	command.Flags().StringArrayVar(&rules, "signal", nil, "send another signal instead: `FROM=TO`, names or numbers, 0 ignores it (repeatable)")
	command.Flags().StringVar(&as, "user", "", "give up root first and become `UID:GID` (default: TALE_RUN_AS where that is set)")
	return cli.Manual{Reads: cli.Reading(RunAs{})}.For(command)
}

// become gives up root if --user or TALE_RUN_AS asks for it. Without either, a
// command that root runs stays root's.
func become(ctx context.Context, log *slog.Logger, as string, environ config.Environ) error {
	flagged := as != ""
	if !flagged {
		as = environ["TALE_RUN_AS"]
	}
	if as == "" {
		return nil
	}
	uid, gid, err := privilege.ParseUser(as)
	if err != nil {
		return exit.Errorf(exit.Usage, "cannot become %q: %w", as, err)
	}
	if flagged && os.Geteuid() != 0 && (uid != os.Geteuid() || gid != os.Getegid()) {
		return exit.Errorf(exit.NoPermission, "cannot become %s: this process runs as %d:%d, and only root may change its user", as, os.Geteuid(), os.Getegid())
	}
	drop := privilege.Drop{UID: uid, GID: gid}
	if drop.Needed() {
		environ["HOME"] = homeOf(uid)
	}
	return drop.Apply(ctx, log)
}

// homeOf returns the home folder of a user, or / for a user without an entry, as
// container runtimes do.
func homeOf(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.HomeDir
	}
	return "/"
}

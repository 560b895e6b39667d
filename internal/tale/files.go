package tale

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/files"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

const filesCodes = `

Exit codes: 0 done, or nothing to do; 4 convex does not run; 64 usage; 69 the engine is
unreachable; 75 locked; 77 permission; 78 configuration; 130 interrupted.`

func (a *app) filesCommand() *cobra.Command {
	command := session.Group("files", "The project's folders for Tale's application", session.Reading(a.filesPushCommand(), session.EngineSettings))
	command.Long = `Show in what the project's folders agents, workflows, integrations, branding and providers
differ from those in the stack, where the application lets its users change them, too.
Nothing is changed.` + filesCodes
	command.Example = "  tale files\n  tale files --json"
	command.RunE = func(command *cobra.Command, _ []string) error {
		return a.withFiles(command, "nothing was changed", func(_ context.Context, _ *session.Session, plan files.Plan) error {
			return a.Print(command.OutOrStdout(), plan, plan.Text(files.None))
		})
	}
	return command
}

// pushed is what becomes of a push that is interrupted.
const pushed = "files that were written stay; the same command again writes the rest"

func (a *app) filesPushCommand() *cobra.Command {
	var take string
	var wait time.Duration
	command := &cobra.Command{
		Use:   "push",
		Short: "Bring the project's folders into the stack",
		Long: `Write to the stack what it does not have, and what it has as it was delivered last; tale
deploy does the same after its switch. What was changed or deleted in the stack stays so,
and nothing is deleted. --take host replaces that, too, and --take stack takes what was
changed in the stack over into the project's folders. Secrets of providers
(*.secrets.json) that the stack has always stay.` + filesCodes,
		Example: "  tale files push\n  tale files push --take stack     # then look at it: git diff",
	}
	command.Flags().StringVar(&take, "take", "", "whose version counts where both were changed, `SIDE`: host or stack")
	session.WaitFlag(command, &wait)
	command.RunE = func(command *cobra.Command, _ []string) error {
		if !slices.Contains([]string{"", string(files.Host), string(files.Stack)}, take) {
			return exit.Errorf(exit.Usage, "--take is host or stack, not %q", take)
		}
		return a.withFiles(command, pushed, func(ctx context.Context, s *session.Session, plan files.Plan) error {
			if _, err := io.WriteString(command.ErrOrStderr(), plan.Text(files.Side(take))); err != nil {
				return err
			}
			release, err := s.Lock(ctx, command, wait, func(text string) { command.PrintErrln("  " + text) })
			if err != nil {
				return session.Interrupted(ctx, err)
			}
			defer release()
			written, err := plan.Deliver(ctx, s.Engine, s.Project.Dir, files.Side(take))
			if err != nil && ctx.Err() != nil {
				return exit.Errorf(exit.Interrupted, "interrupted: %s", pushed)
			}
			if err != nil {
				return err
			}
			text := english.Plural(len(written), "file", "") + " written to the stack"
			if take == string(files.Stack) {
				text += fmt.Sprintf(", %d taken over into the project", len(plan.Takable()))
			}
			return a.Print(command.OutOrStdout(), map[string]any{"written": append([]files.Change{}, written...)}, text+"\n")
		})
	}
	_ = command.RegisterFlagCompletionFunc("take", cobra.FixedCompletions([]string{string(files.Host), string(files.Stack)}, cobra.ShellCompDirectiveNoFileComp))
	return command
}

// withFiles compares the folders with those in the running stack. Left is what stays at a second
// stop signal.
func (a *app) withFiles(command *cobra.Command, left string, do func(context.Context, *session.Session, files.Plan) error) error {
	p, err := a.Open()
	if err != nil {
		return err
	}
	return a.OnEngine(command, p, console.AtOnce(command.ErrOrStderr(), left), func(ctx context.Context, s *session.Session) error {
		plan, err := s.CompareFiles(ctx)
		switch {
		case err != nil:
			return session.Interrupted(ctx, err)
		case !plan.Deliverable():
			return exit.Errorf(exit.Down, "the service convex of %s is not there: `tale deploy` makes it, and brings the project's folders into it", p.File.ID)
		}
		return do(ctx, s, plan)
	})
}

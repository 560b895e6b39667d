package session

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// What a command returns that was told not to go on, or not to begin.
var (
	ErrDeclined = errors.New("declined: nothing was changed")
	ErrChanges  = errors.New("a dry run: nothing was changed")
)

// Agree asks whether to go on, for the reasons given.
func (a *App) Agree(command *cobra.Command, reasons []string) error {
	if a.Yes {
		return nil
	}
	p := a.Prompter(command)
	if !p.Terminal() {
		return exit.Errorf(exit.Usage, "cannot ask for consent without a terminal: %s; agree with --yes", strings.Join(reasons, "; "))
	}
	for _, reason := range reasons {
		command.PrintErrf("  %s\n", reason)
	}
	yes, err := p.Confirm("Go on?")
	if exit.Code(err) == exit.Interrupted {
		return err
	}
	if err != nil || !yes {
		return exit.With(exit.Declined, ErrDeclined)
	}
	return nil
}

// CheckID refuses an id that --project-name gives and that is of another project.
func CheckID(p *project.Project, given string) error {
	if id := p.File.ID; given != "" && given != id {
		return exit.Errorf(exit.Usage, "--project-name is %q, and this project is %q: nothing was changed", given, id)
	}
	return nil
}

// TypedID has the project's id typed before its data are touched.
func (a *App) TypedID(command *cobra.Command, id, to string) error {
	typed, err := a.Prompter(command).Line(fmt.Sprintf("Type the project's id, %s, to %s: ", id, to))
	if err == nil && typed != id {
		err = exit.With(exit.Declined, ErrDeclined)
	}
	return err
}

// Interrupted makes an interrupt of a failure that it has caused before anything was
// changed, or the reason of its own that the context ended for. A roll-out that failed says
// itself what it has left.
func Interrupted(ctx context.Context, err error) error {
	_, failed := errors.AsType[*rollout.FailedError](err)
	switch cause := context.Cause(ctx); {
	case err == nil || cause == nil || failed:
		return err
	case errors.Is(cause, context.Canceled):
		return exit.Errorf(exit.Interrupted, "interrupted: nothing was changed")
	default:
		return fmt.Errorf("nothing was changed: %w", cause)
	}
}

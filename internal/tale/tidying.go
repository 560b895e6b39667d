package tale

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
)

// tidying is one run of a command that stops or removes things.
type tidying struct {
	dryRun bool
	wait   time.Duration
	plan   func(context.Context) (tidy.Plan, error)
	agree  func(tidy.Plan) error // nil: nothing is asked
	after  func() error          // nil: nothing more is done
	done   string
}

// tidyFlags adds the flags of such a command.
func tidyFlags(command *cobra.Command, t *tidying) {
	command.Flags().BoolVar(&t.dryRun, "dry-run", false, "print what would be done and change nothing; exit 10 if there is something to do")
	waitFlag(command, &t.wait)
}

// tidy plans under the lock, asks, does it and records it.
func (a *app) tidy(ctx context.Context, command *cobra.Command, s *session, t tidying) error {
	out := a.progress(command, false)
	began := time.Now()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if !t.dryRun {
		release, err := s.lock(ctx, commandLine(command), t.wait, out.Say)
		if err != nil {
			return err
		}
		defer release()
		if release, err = s.lockEngine(ctx, commandLine(command), t.wait, out.Say, stop); err != nil {
			return err
		}
		defer release()
	}
	plan, err := t.plan(ctx)
	switch {
	case err != nil:
		return err
	case t.dryRun:
		return a.previewTidy(command, plan)
	case plan.Empty():
		for _, note := range plan.Notes {
			out.Say(note)
		}
		return out.Result("nothing to do", nil)
	}
	if !a.json {
		if err := plan.Write(command.ErrOrStderr()); err != nil {
			return err
		}
	}
	if t.agree != nil {
		if err := t.agree(plan); err != nil {
			return err
		}
	}
	err = plan.Run(ctx, s.engine, out.Say)
	if err == nil && t.after != nil {
		err = t.after()
	}
	if ctx.Err() != nil {
		err = exit.Errorf(exit.Interrupted, "interrupted: what was done is done; run it again for the rest")
	}
	entry := newEntry(command, began)
	if err != nil {
		fail(&entry, project.Failed, err)
	}
	if wrong := s.project.Record(entry); wrong != nil {
		out.Say(wrong.Error())
	}
	if err != nil {
		return out.Failed(err)
	}
	return out.Result(t.done, nil)
}

func (a *app) previewTidy(command *cobra.Command, plan tidy.Plan) error {
	out := command.OutOrStdout()
	var err error
	switch {
	case a.json:
		err = printJSON(out, plan)
	case plan.Empty() && len(plan.Notes) == 0:
		command.PrintErrln("nothing to do")
	default:
		err = plan.Write(out)
	}
	if err == nil && !plan.Empty() {
		err = exit.With(exit.Pending, errChanges)
	}
	return err
}

var errDeclined = errors.New("declined: nothing was changed")

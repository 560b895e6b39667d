// Package teardown has the commands that stop and remove what a project has made: stop,
// cleanup and reset. What they do is planned and carried out by package tidy.
package teardown

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
)

// app is what all commands share, with those that are here.
type app struct{ *session.App }

// Commands returns those that stop and remove.
func Commands(shared *session.App) []*cobra.Command {
	a := &app{shared}
	return []*cobra.Command{
		session.Reading(a.stopCommand(), session.EngineSettings),
		session.Reading(a.cleanupCommand(), session.Settings, session.EngineSettings),
		session.Reading(a.resetCommand(), session.EngineSettings),
	}
}

// tidying is one run of a command that stops or removes things.
type tidying struct {
	dryRun bool
	wait   time.Duration
	plan   func(context.Context) (tidy.Plan, error)
	agree  func(tidy.Plan) error // nil: nothing is asked
	after  func() error          // nil: nothing more is done
	settle func() error          // likewise, where there was nothing to do
	done   string
}

// tidyFlags adds the flags of such a command.
func tidyFlags(command *cobra.Command, t *tidying) {
	command.Flags().BoolVar(&t.dryRun, "dry-run", false, "print what would be done and change nothing; exit 10 if there is something to do")
	session.WaitFlag(command, &t.wait)
}

// told does something, and tells its result as JSON, too, however early it ends; not that
// of a dry run.
func (a *app) told(command *cobra.Command, dryRun bool, do func(out *console.Progress) error) error {
	out := a.Progress(command, false)
	defer out.Close()
	err := do(out)
	if dryRun {
		return err
	}
	return out.End(err)
}

// left tells what a run leaves that is ended at once.
func (a *app) left(command *cobra.Command, out *console.Progress) func(code int) {
	return out.AtOnce("what was done is done; `" + session.CommandLine(command) + "` again does the rest")
}

// tidy plans under the lock, asks, and has it done.
func (a *app) tidy(ctx context.Context, command *cobra.Command, s *session.Session, t tidying, out *console.Progress) error {
	began := time.Now()
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	if !t.dryRun {
		release, err := s.LockAll(ctx, command, t.wait, out.Say, lost)
		if err != nil {
			return session.Interrupted(ctx, err)
		}
		defer release()
	}
	plan, err := t.plan(ctx)
	switch {
	case err != nil:
		return session.Interrupted(ctx, err)
	case t.dryRun:
		return a.previewTidy(command, plan)
	case plan.Empty():
		for _, note := range plan.Notes {
			out.Say(note)
		}
		if t.settle != nil {
			if err := t.settle(); err != nil {
				return err
			}
		}
		return out.Result("nothing to do", nil)
	}
	if !a.JSON {
		if _, err := io.WriteString(command.ErrOrStderr(), plan.Text()); err != nil {
			return err
		}
	}
	if t.agree != nil {
		if err := t.agree(plan); err != nil {
			return err
		}
	}
	out.Begin()
	return carryOut(ctx, command, s, t, plan, began, out)
}

// carryOut does what was planned and records it.
func carryOut(ctx context.Context, command *cobra.Command, s *session.Session, t tidying, plan tidy.Plan, began time.Time, out *console.Progress) error {
	result := project.Failed
	err := plan.Run(ctx, s.Engine, out.Say)
	if err == nil && t.after != nil {
		err = t.after()
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.Canceled):
		result, err = project.Interrupted, exit.Errorf(exit.Interrupted, "interrupted: what was done is done; run it again for the rest")
	case cause != nil:
		err = cause
	}
	entry := session.NewEntry(command, began)
	if err != nil {
		session.Fail(&entry, result, err)
	}
	if wrong := s.Project.Record(entry); wrong != nil {
		out.Say(wrong.Error())
	}
	if err != nil {
		return out.Failed(err)
	}
	return out.Result(t.done, nil)
}

func (a *app) previewTidy(command *cobra.Command, plan tidy.Plan) error {
	if !a.JSON && plan.Empty() && len(plan.Notes) == 0 {
		command.PrintErrln("nothing to do")
	}
	err := a.Print(command.OutOrStdout(), plan, plan.Text())
	if err == nil && !plan.Empty() {
		err = exit.With(exit.Pending, session.ErrChanges)
	}
	return err
}

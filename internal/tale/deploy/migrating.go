package deploy

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// migrating is what a start or a deploy has to do with migrations.
type migrating struct {
	adopt, leave []string // volumes, by flags and answers
	seen         *migration.Observation
	pending      migration.Plan
}

func (m *migrating) flags(command *cobra.Command) {
	flags := command.Flags()
	flags.StringSliceVar(&m.adopt, "adopt", nil, "the data in `VOLUME` are this project's (where a migration cannot prove it)")
	flags.StringSliceVar(&m.leave, "leave", nil, "the data in `VOLUME` are of something else, and are left alone from now on")
}

func (m *migrating) subject(s *session.Session, development bool) migration.Subject {
	subject := migration.Of(s.Engine, s.Project, development)
	subject.Adopt, subject.Leave = m.adopt, m.leave
	return subject
}

// observe looks at what there is, before a plan is made: what is displaced is as good as
// gone.
func (m *migrating) observe(ctx context.Context, s *session.Session, development bool, state *rollout.State) (err error) {
	if m.seen, err = migration.Observe(ctx, m.subject(s, development)); err != nil {
		return err
	}
	state.Containers = slices.DeleteFunc(state.Containers, m.displaces)
	m.seen.NewProxy = false
	if m.pending, err = m.seen.Pending(ctx); err != nil {
		return err
	}
	state.Leaving = m.pending.Stops
	return nil
}

// displaces reports whether a container leaves its name to another one.
func (m *migrating) displaces(c engine.Container) bool {
	return slices.ContainsFunc(m.seen.Displaced(), func(other engine.Container) bool { return other.ID == c.ID })
}

// complete makes the migrations part of a plan that was made meanwhile. A proxy of our
// images that takes the place of another one needs one more.
func (m *migrating) complete(ctx context.Context, s *session.Session, state *rollout.State, plan *rollout.Plan, foreignProxy bool) (err error) {
	if c, there := plan.Of(stack.Proxy); there && !foreignProxy && slices.Contains([]rollout.Action{rollout.Create, rollout.Recreate}, c.Action) {
		m.seen.NewProxy = true
		if m.pending, err = m.seen.Pending(ctx); err != nil {
			return err
		}
	}
	plan.Migrations = m.pending.Steps
	state.Foreign = slices.DeleteFunc(state.Foreign, m.displaces)
	plan.Notes = append(plan.Notes, m.pending.Notes...)
	// What is copied is made with its copy.
	plan.Volumes = slices.DeleteFunc(plan.Volumes, func(volume string) bool { return slices.Contains(m.pending.Copied, volume) })
	free, _, known := s.Info.DiskFree()
	if consent := m.pending.Consent(free, known); consent != "" {
		plan.Consent = append([]string{consent}, plan.Consent...)
	}
	state.Leaving = m.pending.Stops
	return nil
}

// splits reports whether the backend leaves the web application's container.
func (m *migrating) splits() bool {
	return slices.ContainsFunc(m.pending.Steps, migration.Step.Splits)
}

// ask asks whose the volumes are of which that cannot be known. It reports whether
// anything was answered.
func (m *migrating) ask(command *cobra.Command) (answered bool, err error) {
	unclear := m.pending.Unclear
	if len(unclear) == 0 {
		return false, nil
	}
	p := console.NewPrompter(command.InOrStdin(), command.ErrOrStderr())
	if !p.Terminal() {
		return false, unclear
	}
	for _, doubt := range unclear {
		if doubt.Question == "" {
			return false, unclear
		}
		command.PrintErrf("  %s: %s\n", doubt.Volume, doubt.Why)
		yes, err := p.Confirm(doubt.Question)
		switch {
		case err != nil:
			return false, err
		case yes:
			m.adopt = append(m.adopt, doubt.Volume)
		case doubt.Target:
			return false, unclear
		default:
			m.leave = append(m.leave, doubt.Volume)
		}
	}
	return true, nil
}

// observeMigrations looks at a development stack, and asks at once.
func (a *app) observeMigrations(ctx context.Context, command *cobra.Command, s *session.Session, m *migrating, state *rollout.State) error {
	if err := m.observe(ctx, s, true, state); err != nil {
		return err
	}
	answered, err := m.ask(command)
	if err == nil && answered {
		err = m.observe(ctx, s, true, state)
	}
	return err
}

// agreeToMigrate makes the migrations part of a development stack's plan, shows them and
// asks.
func (a *app) agreeToMigrate(ctx context.Context, command *cobra.Command, s *session.Session, m *migrating, state *rollout.State, plan *rollout.Plan, foreignProxy bool) error {
	plan.Consent = nil // of what a start replaces
	if err := m.complete(ctx, s, state, plan, foreignProxy); err != nil {
		return err
	}
	if len(plan.Consent) == 0 {
		return m.remember(s)
	}
	if _, err := io.WriteString(command.ErrOrStderr(), plan.Text()); err != nil {
		return err
	}
	if err := a.Agree(command, plan.Consent); err != nil {
		return err
	}
	return m.remember(s)
}

// run returns what applies the migrations, nil if there are none and no killed run has
// left any.
func (m *migrating) run(s *session.Session, development bool) *migration.Run {
	run := &migration.Run{Subject: m.subject(s, development), Plan: m.pending, Version: version.String()}
	if len(m.pending.Steps) == 0 && !run.Unfinished() {
		return nil
	}
	return run
}

// remember notes which volumes are not of this project.
func (m *migrating) remember(s *session.Session) error {
	return s.Project.LogMigrations(version.String(), nil, m.leave)
}

// beforeSplit is the first release with a convex of its own.
const beforeSplit = "0.2.34"

// checkLayout refuses releases whose layout the stack has left.
func (d *deployment) checkLayout() error {
	before := d.Project.File.ID + "_platform-data"
	others := d.Project.File.Images[stack.Platform] != "" // whose versions say nothing of it
	if others || !rollout.IsBefore(d.release.Version, beforeSplit) || !slices.Contains(d.state.Volumes, before) {
		return nil
	}
	return exit.With(exit.Config, errors.New("cannot go back to "+d.release.Version+": releases before "+beforeSplit+" have the backend in the container of platform and its data in "+before+
		", where they are as they were when they were migrated; what was written since is not in there. To go back all the same: tale reset, then that release's own tale"))
}

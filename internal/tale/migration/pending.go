package migration

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Pending looks at a project and returns what the next start or deploy migrates. Whether
// that also makes a proxy of our images is not known here: it is taken to, where there is
// none.
func Pending(ctx context.Context, s Subject) (Plan, error) {
	o, err := Observe(ctx, s)
	if err != nil {
		return Plan{}, err
	}
	o.NewProxy = s.Project.Has(stack.Proxy) && o.proxy() == nil
	return o.Pending(ctx)
}

// Pending returns the migrations whose end state is not there, each as it will be once
// those before it are applied.
func (o *Observation) Pending(ctx context.Context) (Plan, error) {
	plan := Plan{Steps: []Step{}}
	o.copied, o.unclear = map[string]Content{}, nil
	if len(o.killed) > 0 {
		o.note("a run that was killed while it migrated has stopped %s: this one finishes it; docker start %[1]s for what was before", strings.Join(o.killed, " "))
	}
	for _, m := range Registry() {
		step, err := m.Detect(o, ctx)
		if err != nil {
			return plan, fmt.Errorf("cannot tell whether the migration %s is needed: %w", m.ID, err)
		}
		if step.empty() {
			continue
		}
		for _, c := range m.RequiredStops(o, step) {
			step.Stops = append(step.Stops, Stop{Container: c.ID, Name: c.Name})
			if !slices.ContainsFunc(plan.Stops, func(other engine.Container) bool { return other.ID == c.ID }) {
				plan.Stops = append(plan.Stops, c)
				o.checkStop(c, step)
			}
		}
		step.ID, step.IntroducedIn, step.Description = m.ID, m.IntroducedIn, m.Description
		step.Seconds = step.estimate()
		plan.Steps = append(plan.Steps, step.listed())
	}
	o.noteAnswers()
	slices.SortFunc(plan.Stops, func(a, b engine.Container) int { return cmp.Compare(a.Name, b.Name) })
	plan.Notes, plan.Unclear, plan.Copied = o.notes, o.unclear, slices.Sorted(maps.Keys(o.copied))
	return plan, nil
}

// listed has empty lists in place of none, for JSON.
func (s Step) listed() Step {
	s.Copies, s.Moves = append([]Copy{}, s.Copies...), append([]Stop{}, s.Moves...)
	s.Owns, s.Stops = append([]string{}, s.Owns...), append([]Stop{}, s.Stops...)
	return s
}

// checkStop refuses to stop what is not known to be of this project.
func (o *Observation) checkStop(c engine.Container, s Step) {
	if o.own(c) || sameFolder(c.Labels[labelWorkingDir], o.Project.Dir) {
		return
	}
	for _, copied := range s.Copies {
		if !mounts(c, copied.From, true) && !mounts(c, copied.To, true) {
			continue
		}
		if slices.Contains(o.Adopt, copied.From) && slices.Contains(compose.Projects(o.legacy), c.ComposeProject) {
			continue
		}
		o.doubt(Doubt{Volume: copied.From, Why: fmt.Sprintf("the container %s writes to it and is not of this project, so it is not stopped: docker stop %[1]s", c.Name)})
	}
}

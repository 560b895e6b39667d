package deploy

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// completeWithin is how long who types waits for the engine.
const completeWithin = 2 * time.Second

// completeWays completes the releases that rollback has a way back to, the newest first. What
// goes wrong is not told: the user is typing.
func (a *app) completeWays(command *cobra.Command, _ []string, _ string) (versions []string, _ cobra.ShellCompDirective) {
	const order = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	p, err := a.Open()
	if err != nil {
		return nil, order
	}
	d := &deployment{app: a, Session: &session.Session{Project: p}}
	releases, err := d.releases()
	if n := len(releases); n > 0 { // until the engine says what serves
		current := engine.Container{Service: stack.Platform, ImageID: imageOf(releases[n-1]), State: engine.State{Running: true}}
		d.state.Containers = []engine.Container{current}
	}
	if state, seen := a.seen(command.Context(), d.Session); seen == nil {
		d.state = state
		releases, err = d.releases()
	}
	if err != nil {
		return nil, order
	}
	present := d.present(releases)
	for _, e := range slices.Backward(releases) {
		if e.Release != "" && leadsBack(e, present) && !slices.Contains(versions, e.Release) {
			versions = append(versions, e.Release)
		}
	}
	return versions, order
}

// seen returns what the engine has, if it tells soon.
func (a *app) seen(ctx context.Context, s *session.Session) (rollout.State, error) {
	ctx, stop := context.WithTimeout(ctx, completeWithin)
	defer stop()
	connected, err := a.Connect(ctx, s.Project)
	if err != nil {
		return rollout.State{}, err
	}
	defer connected.Close()
	return connected.Observed(ctx)
}

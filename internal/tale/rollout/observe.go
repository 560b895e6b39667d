package rollout

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Observe gathers what the engine has of a project. It changes nothing.
func Observe(ctx context.Context, docker *engine.Engine, id string) (State, error) {
	var state State
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		state.Containers, err = docker.Containers(ctx, compose.Projects(id)...)
		return err
	})
	group.Go(func() (err error) {
		state.Images, err = docker.Images(ctx)
		return err
	})
	group.Go(func() error {
		volumes, err := docker.Volumes(ctx)
		state.Owners = map[string]string{}
		for _, volume := range volumes {
			state.Volumes = append(state.Volumes, volume.Name)
			if owner := stranger(volume.Labels, id); owner != "" {
				state.Owners[volume.Name] = owner
			}
		}
		return err
	})
	group.Go(func() error {
		networks, err := docker.Networks(ctx)
		for _, network := range networks {
			state.Networks = append(state.Networks, network.Name)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return state, err
	}
	return state, nil
}

// stranger returns whose a volume or a network is, "" if it is of the project or nothing says so.
// The command before this one labelled its volumes with project alone.
func stranger(labels map[string]string, id string) string {
	owner := cmp.Or(labels[engine.LabelProject], labels[engine.LabelComposeProject], labels["project"])
	if slices.Contains(compose.Projects(id), owner) || compose.DevelopmentID(owner) == id {
		return ""
	}
	return owner
}

// AskServing fills in what the proxy of the project says.
func (s *State) AskServing(ctx context.Context, docker *engine.Engine) {
	i := slices.IndexFunc(s.Containers, func(c engine.Container) bool { return c.Service == stack.Proxy && c.State.Running })
	if i < 0 {
		s.Serving.Why = "the proxy does not run"
		return
	}
	serving, err := askProxy(ctx, docker, s.Containers[i])
	if err != nil {
		serving.Why = err.Error()
	}
	s.Serving = serving
}

// drainingLimit is how long all may take to say whether they are on their way out.
const drainingLimit = 5 * time.Second

// AskDraining marks what is on its way out, as after a stop that was interrupted: it runs, and by
// the engine's word it is as healthy as at its last check.
func (s *State) AskDraining(ctx context.Context, docker *engine.Engine) {
	ctx, cancel := context.WithTimeout(ctx, drainingLimit)
	defer cancel()
	var asking sync.WaitGroup
	for i, c := range s.Containers {
		if !c.State.Running || c.State.Paused() {
			continue
		}
		asking.Go(func() {
			if document, _ := bootReport(ctx, docker, c); document != nil && document.State == report.Draining {
				s.Containers[i].State.Health = string(report.Draining)
			}
		})
	}
	asking.Wait()
}

// AskForeign fills in the containers of others that have a name of the model's.
func (s *State) AskForeign(ctx context.Context, docker *engine.Engine, model *compose.Model) error {
	everything, err := docker.Everything(ctx)
	for _, c := range everything {
		if isOfModel(model, c.Name) && !slices.ContainsFunc(s.Containers, func(own engine.Container) bool { return own.ID == c.ID }) {
			s.Foreign = append(s.Foreign, c)
		}
	}
	return err
}

func isOfModel(model *compose.Model, container string) bool {
	for _, colour := range []string{"", stack.Blue, stack.Green} {
		if slices.ContainsFunc(model.Services(colour), func(s compose.Service) bool { return s.Container == container }) {
			return true
		}
	}
	return false
}

// Moves reports whether a reference may name another image tomorrow.
func Moves(reference string) bool {
	tag := engine.Tag(reference)
	return !strings.Contains(reference, "@") && (tag == "" || tag == "latest")
}

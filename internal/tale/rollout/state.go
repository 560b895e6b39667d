package rollout

import (
	"cmp"
	"slices"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// State is what an engine has of a project.
type State struct {
	Containers []engine.Container // of the project's compose projects, running or not
	Foreign    []engine.Container // of others, under names of ours
	Serving    Serving
	Images     []engine.Image
	Volumes    []string
	Owners     map[string]string // of volumes that are of another project, by name
	Networks   []string
	Leaving    []engine.Container // that migrations stop: their ports become free
}

// Current returns the container of a service that serves, or that did so last. Of two
// colours that run it is the one that the proxy sends new requests to; without such a
// word, the older healthy one, since the other is what an unfinished deploy has left.
func (s State) Current(service string) (engine.Container, bool) {
	candidates := s.of(service)
	if len(candidates) == 0 {
		return engine.Container{}, false
	}
	slices.SortStableFunc(candidates, func(a, b engine.Container) int {
		return cmp.Or(
			ahead(s.Serving.Offers(a), s.Serving.Offers(b)),
			ahead(a.State.Running, b.State.Running),
			ahead(a.State.Well(), b.State.Well()),
			byAge(a, b),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return candidates[0], true
}

// overtakes reports whether requests go, or will go, to a container rather than to another one of
// its service: by the proxy's word, or else because it is newer.
func (s State) overtakes(c, other engine.Container) bool {
	if prefers, says := s.Serving.prefers(c, other); says {
		return prefers
	}
	return c.Created.After(other.Created)
}

// Named returns the name of the current container of a service, "" where there is none.
func (s State) Named(service string) string {
	current, _ := s.Current(service)
	return current.Name
}

// Others returns the containers of a service beside the current one.
func (s State) Others(service string) []engine.Container {
	current, _ := s.Current(service)
	return slices.DeleteFunc(s.of(service), func(c engine.Container) bool { return c.ID == current.ID })
}

func (s State) of(service string) (found []engine.Container) {
	for _, container := range s.Containers {
		if container.Service == service {
			found = append(found, container)
		}
	}
	return found
}

// Beside says of a container that runs and is not the current one of its service, and while no
// command has the lock, what it is: a run that was ended at once or killed has left it.
const Beside = "it runs beside what serves: `tale deploy` goes on with it, or stops it"

// ahead orders what a is true of before what b is true of.
func ahead(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// starting reports whether a container's health check has not passed yet, nor failed
// for good. One that has just become ready is so for seconds: until its next check.
func starting(c engine.Container) bool {
	return c.State.Running && !c.State.Restarting && !c.State.Paused() && c.State.Health == "starting"
}

// connected reports whether a container is in a network. One that was taken out of
// service and not stopped is not.
func connected(c engine.Container) bool { return len(c.Aliases) > 0 }

// byAge puts the older of two running containers first, and of two that ended the one
// that ran longer: a colour that was retired ended before the one that took over.
func byAge(a, b engine.Container) int {
	if a.State.Running {
		return a.Created.Compare(b.Created)
	}
	return b.State.Finished.Compare(a.State.Finished)
}

// image returns an image that the engine has, and whether it has it.
func (s State) image(ref string) (engine.Image, bool) {
	i := slices.IndexFunc(s.Images, func(image engine.Image) bool { return image.Is(ref) })
	if i < 0 {
		return engine.Image{}, false
	}
	return s.Images[i], true
}

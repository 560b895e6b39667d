package migration

import (
	"context"
	"slices"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Migration is one change of layout.
type Migration struct {
	ID           string
	IntroducedIn string // as the first tool says it
	Description  string
	// Detect returns what the end state lacks; a step without anything to do is none. It
	// looks and changes nothing, and an engine that fails is an error.
	Detect func(*Observation, context.Context) (Step, error)
	// RequiredStops returns the running containers that must stand still meanwhile.
	RequiredStops func(*Observation, Step) []engine.Container
	// Apply does what the step says. It may have been done before, or half.
	Apply func(*Run, context.Context, Step) error
}

// IDs of the migrations, as they are logged.
const (
	namespaceVolumes     = "namespace-volumes"
	splitConvex          = "split-convex"
	namespaceCaddyConfig = "namespace-caddy-config"
	adoptConvexStateful  = "adopt-convex-stateful"
	adoptRuntimeImages   = "adopt-runtime-images"
)

// Registry returns the migrations in the order in which they are applied. New ones come
// last.
func Registry() []Migration {
	return []Migration{
		{
			namespaceVolumes, "0.2.33", "volumes get the project's id in place of \"tale\"",
			(*Observation).namespace, (*Observation).writers, (*Run).copyVolumes,
		},
		{
			splitConvex, "0.3.0", "the backend's data move from platform-data to convex-data",
			(*Observation).splitConvex, (*Observation).writers, (*Run).copyVolumes,
		},
		{
			namespaceCaddyConfig, "0.3.1", "the proxy's configuration gets the project's id, too",
			(*Observation).namespaceCaddyConfig, (*Observation).writers, (*Run).copyVolumes,
		},
		{
			adoptConvexStateful, "0.3.1", "convex leaves the compose project of a colour",
			(*Observation).colouredConvex, (*Observation).running, (*Run).moveAside,
		},
		{
			adoptRuntimeImages, "1.0.0", "the proxy's volumes become those of the user that it runs as",
			(*Observation).rootsVolumes, func(*Observation, Step) []engine.Container { return nil }, (*Run).giveAway,
		},
	}
}

// IDs returns the ids of all migrations.
func IDs() (ids []string) {
	for _, m := range Registry() {
		ids = append(ids, m.ID)
	}
	return ids
}

// platformData is the volume that was there before stack.ConvexData.
const platformData = "platform-data"

// namespace copies the volumes of the time when there was one project to a host. Where
// caddy-config alone is missing, which an earlier form of this has forgotten, that is
// namespaceCaddyConfig's.
func (o *Observation) namespace(ctx context.Context) (Step, error) {
	return o.pairs(ctx, o.legacyPairs(), func(copies []Copy) bool {
		return len(copies) == 1 && copies[0].From == o.legacy+"_"+stack.CaddyConfig
	})
}

func (o *Observation) namespaceCaddyConfig(ctx context.Context) (Step, error) {
	return o.pairs(ctx, []pair{o.legacyPair(stack.CaddyConfig)}, nil)
}

// legacyPairs returns the volumes that the project's services use, and platform-data.
func (o *Observation) legacyPairs() (pairs []pair) {
	if o.Project.Has(stack.Convex) {
		pairs = append(pairs, o.legacyPair(platformData))
	}
	seen := map[string]bool{stack.ProxyCA: true, stack.ConvexData: true} // younger than those times
	for _, service := range o.Project.Services() {
		for _, mount := range service.Mounts {
			if !seen[mount.Volume] {
				seen[mount.Volume] = true
				pairs = append(pairs, o.legacyPair(mount.Volume))
			}
		}
	}
	return pairs
}

func (o *Observation) legacyPair(volume string) pair {
	p := pair{from: o.legacy + "_" + volume, to: o.id + "_" + volume, legacy: true}
	if volume == platformData {
		p.heir = o.id + "_" + stack.ConvexData
	}
	return p
}

func (o *Observation) splitConvex(ctx context.Context) (Step, error) {
	if !o.Project.Has(stack.Convex) {
		return Step{}, nil
	}
	return o.pairs(ctx, []pair{o.split()}, nil)
}

func (o *Observation) split() pair {
	return pair{from: o.id + "_" + platformData, to: o.id + "_" + stack.ConvexData, app: true}
}

// colouredConvex looks for the convex of 0.2.34, which was made with the colours: its name
// is taken, and a new one cannot be made beside it.
func (o *Observation) colouredConvex(context.Context) (s Step, _ error) {
	for _, c := range o.coloured() {
		s.Moves = append(s.Moves, Stop{Container: c.ID, Name: c.Name})
	}
	return s, nil
}

// coloured returns containers that are called as the project's convex and belong to the
// compose project of a colour.
func (o *Observation) coloured() (found []engine.Container) {
	for _, c := range o.containers {
		if c.Name == o.id+"-"+stack.Convex && c.ComposeProject != o.id && slices.Contains(compose.Projects(o.id), c.ComposeProject) {
			found = append(found, c)
		}
	}
	return found
}

// running returns those containers of a step that run.
func (o *Observation) running(s Step) (found []engine.Container) {
	for _, c := range o.containers {
		if c.State.Running && slices.ContainsFunc(s.Moves, func(m Stop) bool { return m.Container == c.ID }) {
			found = append(found, c)
		}
	}
	return found
}

// rootsVolumes looks for volumes that the proxy of the shell images, which is root, has
// written. Ours is another user and cannot read them.
func (o *Observation) rootsVolumes(ctx context.Context) (s Step, _ error) {
	if !o.NewProxy {
		return s, nil
	}
	before := o.proxy()
	if before != nil && engine.IsOurs(before.Labels) || before == nil && o.log.Has(adoptRuntimeImages) {
		return s, nil
	}
	for _, volume := range []string{stack.CaddyData, stack.CaddyConfig, stack.ProxyCA} {
		name := o.id + "_" + volume
		mine, err := o.isAppUsers(ctx, name, volume == stack.ProxyCA && before != nil)
		if err != nil {
			return s, err
		}
		if !mine {
			s.Owns = append(s.Owns, name)
		}
	}
	return s, nil
}

// isAppUsers reports whether our proxy may write to a volume: also to one that is not
// there, which is made then as the proxy's image says, unless others have it first.
func (o *Observation) isAppUsers(ctx context.Context, name string, shared bool) (bool, error) {
	if _, comes := o.copied[name]; comes {
		return false, nil // by root, as a rule
	}
	if _, there := o.there[name]; !there {
		return !shared, nil
	}
	strays, err := o.Volumes.Strays(ctx, name)
	return strays == 0, err
}

// proxy returns the project's, if there is one.
func (o *Observation) proxy() *engine.Container {
	for _, c := range o.containers {
		if o.own(c) && c.Service == stack.Proxy {
			return &c
		}
	}
	return nil
}

package migration

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// Subject is whose layout is looked at.
type Subject struct {
	Engine      *engine.Engine
	Volumes     Volumes
	Project     *project.Project
	Development bool
	// Adopt and Leave are volumes of which the operator has said that they are of this
	// project, or of something else.
	Adopt, Leave []string
	// NewProxy says that a proxy of our images is about to be made.
	NewProxy bool
}

// Of returns the subject that is a project's stack of production, or that for development.
func Of(docker *engine.Engine, p *project.Project, development bool) Subject {
	return Subject{Engine: docker, Volumes: On(docker), Project: p, Development: development}
}

// id returns what the names of the subject's volumes and containers begin with.
func (s Subject) id() string {
	if s.Development {
		return compose.DevelopmentID(s.Project.File.ID)
	}
	return s.Project.File.ID
}

// Observation is what the engine has, as far as migrations are concerned.
type Observation struct {
	Subject
	id, legacy string // what the names of the project's volumes begin with, now and before
	log        project.Migrations
	there      map[string]engine.Volume
	containers []engine.Container
	contents   map[string]Content
	killed     []string // containers that a killed run has stopped, by name
	moved      []Stop   // containers that a killed run has moved aside
	begun      []string // copies that a killed run has begun and not verified
	notes      []string
	given      []string // volumes to adopt, by the operator
	heeded     []string // volumes about which an answer was of use
	unclear    Unclear
	copied     map[string]Content // by steps found so far
}

// legacyName is what began the names of everything while there was one project to a host.
const legacyName = "tale"

// Observe asks the engine for its volumes and containers, and looks into none of them.
func Observe(ctx context.Context, s Subject) (*Observation, error) {
	o := &Observation{Subject: s, id: s.id(), legacy: legacyName, there: map[string]engine.Volume{}, contents: map[string]Content{}, copied: map[string]Content{}}
	if s.Development {
		o.legacy = compose.DevelopmentID(legacyName)
	}
	left, err := s.read()
	if err != nil {
		return nil, err
	}
	o.given, o.Adopt = o.Adopt, slices.Concat(o.Adopt, left.Adopted)
	for _, c := range left.Stopped {
		o.killed = append(o.killed, c.Name)
	}
	o.moved = slices.Concat(left.Moved, left.Replaced)
	for _, c := range slices.Concat(left.Made, left.Served) {
		if !slices.Contains(left.Whole, c.To) {
			o.begun = append(o.begun, c.To)
		}
	}
	if o.log, err = s.Project.Migrations(); err != nil {
		return nil, err
	}
	volumes, err := s.Engine.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		o.there[v.Name] = v
	}
	if o.containers, err = s.Engine.Everything(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(o.containers, func(a, b engine.Container) int { return cmp.Compare(a.Name, b.Name) })
	if err := o.askForUnlisted(ctx); err != nil {
		return nil, err
	}
	return o, o.checkAnswers()
}

// askForUnlisted asks for volumes that containers have and the engine does not list, as it does
// not know them until their driver answers: they are not none.
func (o *Observation) askForUnlisted(ctx context.Context) error {
	for _, c := range o.containers {
		for _, m := range c.Mounts {
			if _, listed := o.there[m.Volume]; listed || !strings.HasPrefix(m.Volume, o.legacy+"_") && !strings.HasPrefix(m.Volume, o.id+"_") {
				continue
			}
			v, found, err := o.Engine.Volume(ctx, m.Volume)
			if err != nil {
				return fmt.Errorf("cannot tell which migrations are needed: %s has a volume that the engine does not list: %w", c.Name, err)
			}
			if found {
				o.there[v.Name] = v
			}
		}
	}
	return nil
}

// Displaced returns containers that keep their name no longer than until the migrations
// are applied, and those that a killed run has taken it from: a plan is made as if they
// were not there.
func (o *Observation) Displaced() []engine.Container {
	displaced := o.coloured()
	for _, c := range o.containers {
		if slices.ContainsFunc(o.moved, func(m Stop) bool { return m.Container == c.ID && m.Name != c.Name }) {
			displaced = append(displaced, c)
		}
	}
	return displaced
}

// own reports whether a container is one of the project's, of production or development.
func (o *Observation) own(c engine.Container) bool {
	if o.Development {
		return c.ComposeProject == o.id
	}
	return slices.Contains(compose.Projects(o.id), c.ComposeProject)
}

// mounts reports whether a container has a volume, or may write to it.
func mounts(c engine.Container, name string, writing bool) bool {
	return slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool { return m.Volume == name && (!writing || !m.ReadOnly) })
}

// users returns the containers that have a volume, running or not.
func (o *Observation) users(name string, writing bool) (found []engine.Container) {
	for _, c := range o.containers {
		if mounts(c, name, writing) && !engine.IsHelper(c) {
			found = append(found, c)
		}
	}
	return found
}

// writers returns the running containers that write to what a step copies, or to what it
// makes.
func (o *Observation) writers(s Step) (found []engine.Container) {
	for _, c := range s.Copies {
		for _, name := range []string{c.From, c.To} {
			for _, user := range o.users(name, true) {
				if user.State.Running && !slices.ContainsFunc(found, func(other engine.Container) bool { return other.ID == user.ID }) {
					found = append(found, user)
				}
			}
		}
	}
	return found
}

// isUsed reports whether a service of the project has run on a volume, so that it holds
// the project's data whatever else is true of it.
func (o *Observation) isUsed(ctx context.Context, name string) (bool, error) {
	return o.isUsedBy(ctx, name, func(string) bool { return true })
}

func (o *Observation) isUsedBy(ctx context.Context, name string, counts func(service string) bool) (bool, error) {
	for _, c := range o.users(name, false) {
		if !o.own(c) || !counts(c.Service) {
			continue
		}
		looked, err := o.Engine.Inspect(ctx, c.ID)
		switch {
		case engine.IsNotFound(err):
		case err != nil:
			return false, err
		case !looked.State.Started.IsZero():
			return true, nil
		}
	}
	return false, nil
}

// look looks into a volume, once.
func (o *Observation) look(ctx context.Context, name string) (Content, error) {
	if content, copied := o.copied[name]; copied {
		return content, nil
	}
	if content, known := o.contents[name]; known {
		return content, nil
	}
	if _, there := o.there[name]; !there {
		return Content{Empty: true}, nil
	}
	content, err := o.Volumes.Look(ctx, name)
	if err == nil {
		o.contents[name] = content
	}
	return content, err
}

// labelWorkingDir is the folder that a compose file was read in.
const labelWorkingDir = "com.docker.compose.project.working_dir"

// belonging says whose a volume of the time without ids is.
type belonging int

const (
	unknown belonging = iota
	mine
	theirs
)

// whose looks for a proof in the folder of the compose project that its containers are
// of. That of one project is also the proof that it is of no other.
func (o *Observation) whose(name string) (whose belonging, why string) {
	switch {
	case slices.Contains(o.Adopt, name) && o.heed(name):
		return mine, ""
	case slices.Contains(o.Leave, name) && o.heed(name), slices.Contains(o.log.Left, name):
		return theirs, "you have said so"
	}
	var folders []string
	for _, c := range o.users(name, false) {
		if folder := c.Labels[labelWorkingDir]; folder != "" && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	switch {
	case len(folders) == 0:
		return unknown, "no container that uses it says which folder it is of"
	case len(folders) > 1:
		return unknown, "containers of several folders use it: " + strings.Join(folders, ", ")
	case sameFolder(folders[0], o.Project.Dir):
		return mine, ""
	}
	return theirs, "it is of the compose project in " + folders[0]
}

func sameFolder(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	first, err := filepath.EvalSymlinks(a)
	second, wrong := filepath.EvalSymlinks(b)
	return err == nil && wrong == nil && first == second
}

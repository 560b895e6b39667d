// Package tidy stops and removes what a project has in an engine: what is left over
// (cleanup), all that serves (stop), or everything (reset). A plan says what, and Run does
// just that. Containers are stopped in an order that loses nothing, each within its own
// grace; volumes go only where a plan names them.
package tidy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

const schema = 1

// Plan is what is done.
type Plan struct {
	Schema  int         `json:"schema"`
	Project string      `json:"project"`
	Stop    []Container `json:"stop"`   // in this order
	Remove  []Container `json:"remove"` // when all have stopped
	Network string      `json:"network,omitempty"`
	Volumes []string    `json:"volumes"`
	Images  []Image     `json:"images"`
	// Snapshots are files that deploy has kept.
	Snapshots []Snapshot `json:"snapshots"`
	Notes     []string   `json:"notes"`
}

// Container is one that is stopped or removed.
type Container struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Service string `json:"service"`
	Version string `json:"version,omitempty"`
	State   string `json:"state"`
}

// Image is one that is removed.
type Image struct {
	ID    string   `json:"id"`
	Names []string `json:"names"`
	Bytes int64    `json:"bytes"` // layers that other images use stay
}

// Snapshot is a file of data of before that is removed.
type Snapshot struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool {
	return len(p.Stop)+len(p.Remove)+len(p.Volumes)+len(p.Images)+len(p.Snapshots) == 0 && p.Network == ""
}

func newPlan(project string) Plan {
	return Plan{Schema: schema, Project: project, Stop: []Container{}, Remove: []Container{}, Volumes: []string{}, Images: []Image{}, Snapshots: []Snapshot{}, Notes: []string{}}
}

// Cleanup removes the containers that have stopped and been replaced; unused returns the
// images that may go once they are away.
func Cleanup(project string, state rollout.State, unused func(gone []string) []engine.Image) Plan {
	p := newPlan(project)
	var gone []string
	for _, c := range state.Containers {
		current, _ := state.Current(c.Service)
		switch {
		case c.Service == "" || c.ID == current.ID:
		case c.State.Running:
			p.Notes = append(p.Notes, c.Name+" stays: "+rollout.Beside)
		default:
			p.Remove = append(p.Remove, described(c))
			gone = append(gone, c.ID)
		}
	}
	for _, image := range unused(gone) {
		names := append(slices.Clone(image.Tags), image.Digests...)
		p.Images = append(p.Images, Image{image.ID, names, image.Size})
	}
	return p
}

// Stop stops what runs.
func Stop(project string, containers []engine.Container) Plan {
	p := newPlan(project)
	p.stop(containers)
	return p
}

func (p *Plan) stop(containers []engine.Container) {
	for _, c := range containers {
		if c.State.Running || c.State.Restarting {
			p.Stop = append(p.Stop, described(c))
		}
	}
	slices.SortStableFunc(p.Stop, func(a, b Container) int { return cmp.Compare(wave(a.Service), wave(b.Service)) })
}

// wave returns when a service stops: who calls others goes before them, so that requests
// under way come to their end.
func wave(service string) int {
	switch service {
	case stack.RAG, stack.Crawler:
		return 1
	case stack.Proxy:
		return 2
	case stack.Convex:
		return 3
	case stack.DB:
		return 4
	default:
		return 0
	}
}

// Ground is what containers stand on.
type Ground struct {
	Network engine.Network
	Exists  bool // the network
	Volumes []engine.Volume
}

// Reset removes containers: the colours, or all, and then the network as well. The volumes
// among the ground go too, if they are the project's.
func Reset(project string, containers []engine.Container, all, volumes bool, g Ground) Plan {
	p := newPlan(project)
	containers = slices.Clone(containers)
	if !all {
		containers = slices.DeleteFunc(containers, func(c engine.Container) bool { return c.Colour == "" })
	}
	p.stop(containers)
	for _, c := range containers {
		p.Remove = append(p.Remove, described(c))
	}
	if all && g.Exists {
		if isOf(project, g.Network.Labels) {
			p.Network = g.Network.Name
		} else {
			p.Notes = append(p.Notes, "the network "+g.Network.Name+" has no label of this project, and stays")
		}
	}
	for _, v := range g.Volumes {
		switch {
		case !volumes || !strings.HasPrefix(v.Name, project+"_"):
		case isOf(project, v.Labels):
			p.Volumes = append(p.Volumes, v.Name)
		default:
			p.Notes = append(p.Notes, fmt.Sprintf("the volume %s has no label of this project, and stays: docker volume rm %s", v.Name, v.Name))
		}
	}
	return p
}

// isOf reports whether labels say that something is the project's; the second is that of
// the first deploy tool.
func isOf(project string, labels map[string]string) bool {
	return labels[engine.LabelProject] == project || labels["project"] == project
}

func described(c engine.Container) Container {
	state := c.State.Status
	if state == "exited" {
		state = fmt.Sprintf("exited (%d)", c.State.ExitCode)
	}
	return Container{c.ID, c.Name, c.Service, c.Version, state}
}

// Text returns the plan for people.
func (p Plan) Text() string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString(fmt.Sprintf(format, args...) + "\n") }
	for _, c := range p.Stop {
		line("stop     %s", c.Name)
	}
	for _, c := range p.Remove {
		line("remove   %s, version %s, %s", c.Name, cmp.Or(c.Version, "unknown"), c.State)
	}
	if p.Network != "" {
		line("remove   the network %s", p.Network)
	}
	for _, v := range p.Volumes {
		line("remove   the volume %s AND ITS DATA", v)
	}
	var bytes int64
	for _, i := range p.Images {
		line("remove   the image %s, %s", cmp.Or(strings.Join(i.Names, ", "), i.ID), humanize.Bytes(uint64(i.Bytes)))
		bytes += i.Bytes
	}
	if bytes > 0 {
		line("frees    up to %s: layers that other images share stay", humanize.Bytes(uint64(bytes)))
	}
	for _, s := range p.Snapshots {
		line("remove   the snapshot %s, %s", s.Path, humanize.Bytes(uint64(s.Bytes)))
	}
	for _, note := range p.Notes {
		line("note     %s", note)
	}
	return b.String()
}

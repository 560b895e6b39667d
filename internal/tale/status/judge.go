package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

const (
	missing   = "missing"
	shownLast = 3 // deploys
)

// Document says what the facts mean.
func (f Facts) Document() Document {
	d := Document{
		Schema: schema, Time: f.Now.UTC().Truncate(time.Second), Project: f.Project.File.ID, Folder: f.Project.Dir, Condition: Up,
		Reasons: []string{}, Services: []Service{}, Leftovers: []Leftover{}, Development: []Leftover{}, Deploys: []project.Entry{},
		Lock: f.Lock, Disk: f.Disk, Engine: f.Engine, Serving: f.serving(),
	}
	if f.Unplanned != nil {
		d.Drift = f.Unplanned.Error()
	}
	if f.Unread != nil {
		d.Unread = f.Unread.Error()
	}
	listed := f.Project.ServiceNames()
	for _, service := range stack.Services() {
		s := f.service(service.Name)
		s.extra = !slices.Contains(listed, service.Name)
		if s.Container != "" || !s.extra && f.asked(service.Name) {
			d.Services = append(d.Services, s)
		}
	}
	for _, c := range f.State.Containers {
		if c.ID != f.Current[c.Service].ID {
			l := leftover(c)
			l.Then = f.then(c)
			d.Leftovers = append(d.Leftovers, l)
		}
	}
	for _, c := range f.Development {
		d.Development = append(d.Development, leftover(c))
	}
	for _, entry := range slices.Backward(f.History) {
		if entry.Release != "" && len(d.Deploys) < shownLast {
			entry.Images = nil
			d.Deploys = append(d.Deploys, entry)
		}
	}
	d.judge(f)
	return d
}

// asked reports whether the files ask for a service: with an external database they do
// not ask for ours.
func (f Facts) asked(service string) bool {
	_, planned := f.Plan.Of(service)
	return planned || f.Unplanned != nil && service != stack.DB
}

func (f Facts) serving() Serving {
	s := Serving{Known: f.State.Serving.Known, Why: f.State.Serving.Why, URL: f.URL}
	current, there := f.Current[stack.Platform]
	if there && current.State.Running {
		s.Version, s.Colour = current.Version, current.Colour
		if address, known := f.State.Serving.Of(current); known {
			s.Since = &address.Since
		}
	}
	return s
}

func leftover(c engine.Container) Leftover {
	l := Leftover{Container: c.Name, Service: c.Service, Version: c.Version, State: state(c)}
	if c.State.Status == "exited" {
		l.State = fmt.Sprintf("exited (%d)", c.State.ExitCode)
	}
	return l
}

// then says what becomes of a container beside the one that serves.
func (f Facts) then(c engine.Container) string {
	switch {
	case c.Service == "":
		return "it is of no service of the stack, and tale leaves it alone"
	case !c.State.Running:
		return "`tale cleanup` removes it"
	case f.Lock != nil:
		return "it runs beside what serves, for the command that holds the lock"
	}
	return rollout.Beside
}

func state(c engine.Container) string {
	if c.State.Status == "running" && c.State.Health != "" {
		return c.State.Health
	}
	return c.State.Status
}

// state says how a container is. The proxy knows sooner than the engine, which asks a
// new container again only after seconds.
func (f Facts) state(c engine.Container) string {
	if address, known := f.State.Serving.Of(c); known && address.Healthy && c.State.Health == "starting" {
		return "healthy"
	}
	return state(c)
}

func (f Facts) service(name string) Service {
	c, there := f.Current[name]
	if !there {
		return Service{Service: name, State: missing}
	}
	s := Service{
		Service: name, Colour: c.Colour, Container: c.Name, Version: c.Version, Image: c.Image, ImageID: c.ImageID,
		State: f.state(c), Reason: f.reason(c), Restarts: c.Restarts, Memory: f.Memory[c.ID],
	}
	if c.State.Running && !c.State.Started.IsZero() {
		s.Started = &c.State.Started
	}
	change, planned := f.Plan.Of(name)
	if would, ok := does[change.Action]; ok && planned {
		s.Drift, s.Would = change.Why, would
	}
	for _, r := range f.Plan.Remove {
		if r.Container == c.ID {
			s.Drift, s.Would = []string{r.Why}, "remove"
		}
	}
	return s
}

// does is what a deploy does about a service that is not as the files ask.
var does = map[rollout.Action]string{
	rollout.Rotate: "rotate", rollout.Recreate: "replace", rollout.Finish: "retire the other colour", rollout.Start: "start",
}

// reason says why a container is not well, "" if it is.
func (f Facts) reason(c engine.Container) string {
	s := c.State
	address, known := f.State.Serving.Of(c)
	switch {
	case s.OOMKilled && !s.Running:
		return fmt.Sprintf("out of memory, exit code %d", s.ExitCode)
	case s.Error != "":
		return s.Error
	case s.Status == engine.StatusPaused:
		return "frozen by docker pause: docker unpause " + c.Name
	case s.Restarting || !s.Running && s.ExitCode != 0:
		return fmt.Sprintf("exit code %d", s.ExitCode)
	case !s.Running:
		return ""
	case known && address.Reason != "" && !address.Healthy:
		return "the proxy's probe: " + address.Reason
	case s.Health != "" && s.Health != "healthy" && len(s.HealthLog) > 0:
		line, _, _ := strings.Cut(s.HealthLog[len(s.HealthLog)-1], "\n")
		return place.Stack{Container: f.State.Named}.ByTale(line)
	}
	return ""
}

// judge says how the stack is as a whole, and why.
func (d *Document) judge(f Facts) {
	worse := func(to Condition, format string, args ...any) {
		if d.Condition != Down {
			d.Condition = to
		}
		d.Reasons = append(d.Reasons, fmt.Sprintf(format, args...))
	}
	if f.Restore != nil {
		d.Restore = f.Restore.Error()
		worse(Degraded, "%s", d.Restore)
	}
	renamed := f.Project.Renamed()
	switch {
	case len(f.State.Containers) == 0 && renamed != "":
		worse(Down, "nothing of this project is there: %s", renamed)
		return
	case len(f.State.Containers) == 0:
		worse(Down, "nothing of this project is there: `tale deploy` starts it")
		return
	}
	unhealthy := false // the web application
	for _, s := range d.Services {
		visitors := s.Service == stack.Platform || s.Service == stack.Proxy
		switch {
		case s.extra || s.State == "healthy" || s.State == "running":
		case s.State == missing && visitors:
			worse(Down, "there is no %s", s.Service)
		case s.State == missing:
			worse(Degraded, "there is no %s", s.Service)
		case (s.Started == nil || s.State == engine.StatusPaused) && visitors:
			worse(Down, "%s is %s", s.Service, s.State)
		default:
			worse(Degraded, "%s is %s", s.Service, s.State)
			unhealthy = unhealthy || s.Service == stack.Platform && s.State == "unhealthy"
		}
	}
	switch known := f.State.Serving.Known; {
	case known && !f.reachable():
		worse(Down, "the proxy has no web application to send visitors to")
	case !known && unhealthy:
		worse(Down, "nothing that serves visitors is known to be well")
	}
}

// reachable reports whether the proxy sends visitors anywhere.
func (f Facts) reachable() bool {
	return slices.ContainsFunc(f.State.Containers, func(c engine.Container) bool {
		address, known := f.State.Serving.Of(c)
		return c.Service == stack.Platform && known && address.Serving
	})
}

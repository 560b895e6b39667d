package engine

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// healthOutput is how much of one health check's output is kept.
const healthOutput = 400

// Containers returns the containers of some compose projects, sorted by name: one list,
// then all of them looked into at once.
func (e *Engine) Containers(ctx context.Context, projects ...string) ([]Container, error) {
	list, err := ask(ctx, e, patience, "list containers", e.api.ContainerList, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", LabelComposeProject)})
	if err != nil {
		return nil, err
	}
	items := slices.DeleteFunc(list.Items, func(c container.Summary) bool { return !slices.Contains(projects, c.Labels[LabelComposeProject]) })
	found := make([]Container, len(items))
	group, inside := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, item := range items {
		group.Go(func() (err error) {
			found[i], err = e.Inspect(inside, item.ID)
			if IsNotFound(err) {
				return nil // removed since the list
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(c Container) bool { return c.ID == "" })
	slices.SortFunc(found, func(a, b Container) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// Everything returns all containers of the engine as its list has them: without
// environment, restarts, the outputs of health checks and the dates of their state. The list
// has the id of an image whose tag is another's by now; what it was called is asked for where a
// container is of tale's: one of somebody else may hang.
func (e *Engine) Everything(ctx context.Context) ([]Container, error) {
	list, err := ask(ctx, e, patience, "list containers", e.api.ContainerList, client.ContainerListOptions{All: true})
	found := make([]Container, 0, len(list.Items))
	for _, item := range list.Items {
		c := Container{ID: item.ID, Image: item.Image, ImageID: item.ImageID, Created: time.Unix(item.Created, 0), Mounts: mountsOf(item.Mounts)}
		if len(item.Names) > 0 {
			c.Name = strings.TrimPrefix(item.Names[0], "/")
		}
		for _, port := range item.Ports {
			if port.PublicPort != 0 {
				c.Ports = append(c.Ports, Port{Host: hostOf(port.IP), Public: int(port.PublicPort), Container: int(port.PrivatePort), Protocol: port.Type})
			}
		}
		c.State = listedState(item)
		if item.NetworkSettings != nil {
			c.Addresses = addressesOf(item.NetworkSettings.Networks)
		}
		if item.Labels[LabelProject] != "" && strings.HasPrefix(c.Image, "sha256:") {
			inspected, err := e.Inspect(ctx, item.ID)
			if unlessGone(err) != nil {
				return nil, err
			}
			c.Image = cmp.Or(inspected.Image, c.Image)
		}
		c.identify(item.Labels)
		found = append(found, c)
	}
	return found, err
}

// Inspect looks into one container, by id or name.
func (e *Engine) Inspect(ctx context.Context, id string) (Container, error) {
	answer, err := about(ctx, e, patience, "look into the container", e.api.ContainerInspect, id, client.ContainerInspectOptions{})
	if err != nil {
		return Container{}, err
	}
	return containerOf(answer.Container), nil
}

// containerOf translates; an engine leaves out what it has not.
func containerOf(from container.InspectResponse) Container {
	c := Container{
		ID: from.ID, Name: strings.TrimPrefix(from.Name, "/"), ImageID: from.Image, Restarts: from.RestartCount,
		Created: instant(from.Created), Mounts: mountsOf(from.Mounts), State: stateOf(from.State),
		Environment: map[string]string{}, Aliases: map[string][]string{},
	}
	if from.Config != nil {
		c.Image = from.Config.Image
		c.Environment = environmentOf(from.Config.Env)
		if from.Config.StopTimeout != nil {
			c.StopTimeout = time.Duration(*from.Config.StopTimeout) * time.Second
		}
		c.identify(from.Config.Labels)
	}
	if from.NetworkSettings == nil {
		return c
	}
	c.Addresses = addressesOf(from.NetworkSettings.Networks)
	for name, endpoint := range from.NetworkSettings.Networks {
		if endpoint != nil {
			c.Aliases[name] = endpoint.Aliases
		}
	}
	c.Ports = portsOf(from)
	return c
}

func addressesOf(networks map[string]*network.EndpointSettings) map[string]string {
	addresses := map[string]string{}
	for name, endpoint := range networks {
		if endpoint != nil && endpoint.IPAddress.IsValid() {
			addresses[name] = endpoint.IPAddress.String()
		}
	}
	return addresses
}

var listedStatus = regexp.MustCompile(`^(?:Exited|Restarting) \((\d+)\)|\((healthy|unhealthy|health: starting)\)`)

// listedState reads what the list says for people, such as "Up 2 hours (healthy)" and
// "Exited (137) 3 days ago": engines before API 1.52 have no other word for it.
func listedState(item container.Summary) State {
	s := State{Status: string(item.State), Restarting: item.State == container.StateRestarting}
	s.Running = item.State == container.StateRunning || s.Restarting || item.State == container.StatePaused
	if found := listedStatus.FindStringSubmatch(item.Status); found != nil {
		s.ExitCode, _ = strconv.Atoi(found[1])
		s.Health = strings.TrimPrefix(found[2], "health: ")
	}
	return s
}

// portsOf returns those published now or, of a container that does not run, those that
// it asks for.
func portsOf(from container.InspectResponse) []Port {
	published := from.NetworkSettings.Ports
	if len(published) == 0 && from.HostConfig != nil {
		published = from.HostConfig.PortBindings
	}
	var ports []Port
	for inside, bindings := range published {
		for _, binding := range bindings {
			public, _ := network.ParsePort(binding.HostPort)
			ports = append(ports, Port{Host: hostOf(binding.HostIP), Public: int(public.Num()), Container: int(inside.Num()), Protocol: string(inside.Proto())})
		}
	}
	slices.SortFunc(ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Host, b.Host))
	})
	return ports
}

func environmentOf(pairs []string) map[string]string {
	environment := map[string]string{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		environment[name] = value
	}
	return environment
}

func mountsOf(from []container.MountPoint) []Mount {
	mounts := make([]Mount, 0, len(from))
	for _, m := range from {
		mounts = append(mounts, Mount{Volume: cmp.Or(m.Name, m.Source), Path: m.Destination, ReadOnly: !m.RW})
	}
	slices.SortFunc(mounts, func(a, b Mount) int { return cmp.Compare(a.Path, b.Path) })
	return mounts
}

func stateOf(from *container.State) State {
	if from == nil {
		return State{}
	}
	s := State{
		Status: string(from.Status), Running: from.Running, Restarting: from.Restarting, ExitCode: from.ExitCode,
		OOMKilled: from.OOMKilled, Error: from.Error, Started: instant(from.StartedAt), Finished: instant(from.FinishedAt),
	}
	if from.Health != nil && from.Health.Status != container.NoHealthcheck {
		s.Health = string(from.Health.Status)
		for _, check := range from.Health.Log {
			if check != nil && !check.Start.Before(s.Started) { // the engine keeps those of earlier starts
				s.HealthLog = append(s.HealthLog, config.Excerpt(strings.TrimSpace(check.Output), healthOutput))
				s.HealthCode, s.HealthAt = check.ExitCode, check.Start
			}
		}
	}
	return s
}

// identify reads whose container it is. Those that other tools made from compose files
// of the stack have a service with the colour behind it: platform-blue.
func (c *Container) identify(labels map[string]string) {
	c.Labels, c.Hash, c.Colour = labels, labels[LabelHash], labels[LabelColour]
	c.ComposeProject = labels[LabelComposeProject]
	name := cmp.Or(labels[LabelService], labels[LabelComposeService])
	for _, colour := range []string{stack.Blue, stack.Green} {
		if bare, found := strings.CutSuffix(name, "-"+colour); found {
			name, c.Colour = bare, cmp.Or(c.Colour, colour)
		}
	}
	if _, known := stack.ServiceNamed(name); known {
		c.Service = name
	}
	c.Version = cmp.Or(labels[LabelVersion], labels[LabelImageVersion], Tag(c.Image))
}

// instant reads the engine's dates; the year 1 stands for never.
func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}

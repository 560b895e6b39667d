package enginetest

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Container is one that a test puts there.
type Container struct {
	Name, Image      string
	Project, Service string // of compose
	Labels           map[string]string
	Environment      map[string]string
	Networks         map[string][]string // with aliases
	Volumes          map[string]string   // by path
	Stop             time.Duration
	Port             uint16 // published while it runs, 0: none
	HealthCheck      bool
	Restart          bool // when it dies
	Running          bool
	Life             Life
	Age              time.Duration
}

// box is a container in the engine, as inspect shows it.
type box struct {
	container.InspectResponse
	input  *io.PipeReader // what a helper reads of attend
	attend *io.PipeWriter
	// streams is where a helper's output goes, which is attached to before its start.
	streams *multiplexer
	kill    func() // ends a helper that works, and returns when it has ended
	life    Life
	port    uint16
	probes  int
	deaths  int
	sick    bool // it fails its health check whatever its life says
	log     []logged
}

// shown returns the image of a container as the list has it: by id once its name is another's.
func (s *Server) shown(b *box) string {
	if i, found := s.image(b.Config.Image); found && i.ID == b.Image {
		return b.Config.Image
	}
	return b.Image
}

// AddContainer puts a container there and returns its id. Its image, networks and volumes
// come into being with it.
func (s *Server) AddContainer(c Container) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	labels := map[string]string{}
	if c.Project != "" {
		labels[engine.LabelComposeProject], labels[engine.LabelComposeService] = c.Project, c.Service
	}
	for name, value := range c.Labels {
		labels[name] = value
	}
	request := container.CreateRequest{Config: &container.Config{Image: c.Image, Labels: labels}, HostConfig: &container.HostConfig{}, NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}}
	for name, value := range c.Environment {
		request.Env = append(request.Env, name+"="+value)
	}
	if c.Stop > 0 {
		seconds := int(c.Stop / time.Second)
		request.StopTimeout = &seconds
	}
	if c.HealthCheck {
		request.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "healthy"}}
	}
	if c.Restart {
		request.HostConfig.RestartPolicy.Name = container.RestartPolicyUnlessStopped
	}
	for name, aliases := range c.Networks {
		s.network(name, nil)
		request.NetworkingConfig.EndpointsConfig[name] = &network.EndpointSettings{Aliases: aliases}
	}
	for path, name := range c.Volumes {
		s.volume(name, nil)
		request.HostConfig.Mounts = append(request.HostConfig.Mounts, mount.Mount{Type: mount.TypeVolume, Source: name, Target: path})
	}
	if _, found := s.image(c.Image); !found {
		s.addImage(Image{Tags: []string{c.Image}})
	}
	b, err := s.create(c.Name, request)
	if err != nil {
		panic(err)
	}
	b.life, b.port = c.Life, c.Port
	b.Created = time.Now().Add(-c.Age).UTC().Format(time.RFC3339Nano)
	if c.Running {
		if err := s.start(b); err != nil {
			panic(err)
		}
		if c.HealthCheck && c.Life.Healthy == 0 && c.Life.Unhealthy == 0 {
			b.State.Health.Status = container.Healthy
		}
	}
	return b.ID
}

// published returns what a list says of the ports of a container.
func (b *box) published() []container.PortSummary {
	if b.port == 0 || !b.State.Running {
		return nil
	}
	return []container.PortSummary{{IP: netip.IPv4Unspecified(), PrivatePort: 80, PublicPort: b.port, Type: "tcp"}}
}

// summary says how a container is, as a list of containers does.
func (b *box) summary() string {
	switch state := b.State; {
	case state.Status == container.StateExited:
		return fmt.Sprintf("Exited (%d) 2 minutes ago", state.ExitCode)
	case state.Status == container.StateRestarting:
		return fmt.Sprintf("Restarting (%d) 2 seconds ago", state.ExitCode)
	case state.Running && state.Health != nil && state.Health.Status == container.Starting:
		return "Up 2 minutes (health: starting)"
	case state.Running && state.Health != nil:
		return fmt.Sprintf("Up 2 minutes (%s)", state.Health.Status)
	case state.Running:
		return "Up 2 minutes"
	}
	return "Created"
}

// find looks by id, its beginning, and name. The lock is held, as below.
func (s *Server) find(name string) (*box, error) {
	for _, b := range s.containers {
		if b.Name == "/"+strings.TrimPrefix(name, "/") || name != "" && strings.HasPrefix(b.ID, name) {
			return b, nil
		}
	}
	return nil, missing("container", name)
}

func (s *Server) create(name string, request container.CreateRequest) (*box, error) {
	image, found := s.image(request.Image)
	if !found {
		return nil, missing("image", request.Image)
	}
	if b, err := s.find("/" + name); err == nil && name != "" {
		return nil, problem{http.StatusConflict, fmt.Sprintf("Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name.", "/"+name, b.ID)}
	}
	id := s.id()
	if name == "" {
		name = "nameless" + id[60:]
	}
	if request.HostConfig == nil {
		request.HostConfig = &container.HostConfig{}
	}
	labels := map[string]string{}
	for _, from := range []map[string]string{image.Labels, request.Labels} {
		for label, value := range from {
			labels[label] = value
		}
	}
	request.Labels, request.Env = labels, slices.Concat(image.Env, request.Env)
	if request.Healthcheck == nil && image.HealthCheck {
		request.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "probe"}}
	}
	b := &box{InspectResponse: container.InspectResponse{
		ID: id, Name: "/" + name, Image: image.ID, Created: time.Now().UTC().Format(time.RFC3339Nano),
		Config: request.Config, HostConfig: request.HostConfig, State: &container.State{Status: container.StateCreated},
		NetworkSettings: &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{}},
	}, life: s.lives[request.Image]}
	if life, found := s.lives[name]; found {
		b.life = life
	}
	for _, m := range request.HostConfig.Mounts {
		b.Mounts = append(b.Mounts, container.MountPoint{Type: m.Type, Name: m.Source, Source: m.Source, Destination: m.Target, RW: !m.ReadOnly})
	}
	if request.NetworkingConfig != nil {
		for name, endpoint := range request.NetworkingConfig.EndpointsConfig {
			if err := s.connect(b, name, endpoint); err != nil {
				return nil, err
			}
		}
	}
	b.input, b.attend = io.Pipe()
	s.containers = append(s.containers, b)
	s.emit(b, "create", nil)
	return b, nil
}

func (s *Server) connect(b *box, name string, endpoint *network.EndpointSettings) error {
	n, found := s.networks[name]
	if !found {
		return missing("network", name)
	}
	settings := network.EndpointSettings{NetworkID: n.ID}
	if endpoint != nil {
		settings.Aliases = endpoint.Aliases
	}
	s.made++
	settings.IPAddress = netip.AddrFrom4([4]byte{10, 0, byte(s.made >> 8), byte(s.made)})
	b.NetworkSettings.Networks[name] = &settings
	n.Containers[b.ID] = network.EndpointResource{Name: b.Name[1:]}
	return nil
}

func (s *Server) remove(b *box) {
	s.containers = slices.DeleteFunc(s.containers, func(other *box) bool { return other == b })
	for _, n := range s.networks {
		delete(n.Containers, b.ID)
	}
	s.emit(b, "destroy", nil)
}

func (s *Server) rename(r *http.Request, b *box) (any, error) {
	name := r.URL.Query().Get("name")
	if other, err := s.find("/" + name); err == nil {
		return nil, problem{http.StatusConflict, fmt.Sprintf("Conflict. The container name %q is already in use by container %q.", "/"+name, other.ID)}
	}
	b.Name = "/" + name
	return nil, nil
}

func (s *Server) serveContainers(mux *http.ServeMux) {
	on := func(pattern string, do func(*http.Request, *box) (any, error)) {
		mux.HandleFunc(pattern, s.answer(func(r *http.Request) (any, error) {
			b, err := s.find(r.PathValue("id"))
			if err != nil {
				return nil, err
			}
			return do(r, b)
		}))
	}
	mux.HandleFunc("GET /containers/json", s.answer(func(r *http.Request) (any, error) {
		list := []container.Summary{}
		for _, b := range s.containers {
			if matches(r, b.Config.Labels) && (r.URL.Query().Get("all") != "" || b.State.Running) {
				created, _ := time.Parse(time.RFC3339Nano, b.Created)
				list = append(list, container.Summary{
					ID: b.ID, Names: []string{b.Name}, Image: s.shown(b), ImageID: b.Image, Created: created.Unix(), Labels: b.Config.Labels,
					State: b.State.Status, Status: b.summary(), Mounts: b.Mounts, Ports: b.published(), NetworkSettings: &container.NetworkSettingsSummary{Networks: b.NetworkSettings.Networks},
				})
			}
		}
		return list, nil
	}))
	mux.HandleFunc("POST /containers/create", s.answer(func(r *http.Request) (any, error) {
		request, err := read[container.CreateRequest](r)
		if err != nil {
			return nil, err
		}
		b, err := s.create(r.URL.Query().Get("name"), request)
		if err != nil {
			return nil, err
		}
		return container.CreateResponse{ID: b.ID}, nil
	}))
	on("GET /containers/{id}/json", func(_ *http.Request, b *box) (any, error) { return b.InspectResponse, nil })
	on("POST /containers/{id}/start", func(_ *http.Request, b *box) (any, error) { return nil, s.start(b) })
	on("POST /containers/{id}/stop", func(_ *http.Request, b *box) (any, error) {
		s.end(b)
		return nil, nil
	})
	on("POST /containers/{id}/rename", s.rename)
	on("DELETE /containers/{id}", func(r *http.Request, b *box) (any, error) {
		if b.State.Running && r.URL.Query().Get("force") == "" {
			return nil, problem{http.StatusConflict, fmt.Sprintf("You cannot remove a running container %s. Stop the container before attempting removal or force remove", b.ID)}
		}
		if b.State.Running {
			s.end(b)
		}
		if _, err := s.find(b.ID); err == nil {
			s.remove(b)
		}
		return nil, nil
	})
	on("GET /containers/{id}/stats", func(*http.Request, *box) (any, error) {
		return container.StatsResponse{MemoryStats: container.MemoryStats{Usage: 300 << 20, Limit: 1 << 30, Stats: map[string]uint64{"inactive_file": 100 << 20}}}, nil
	})
}

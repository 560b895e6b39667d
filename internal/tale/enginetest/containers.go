package enginetest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
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
}

// Life is what becomes of a container after each start. Health checks are the clock.
type Life struct {
	Healthy   int      // health checks until it is healthy, -1: never
	Unhealthy int      // until it is unhealthy, 0: never
	Says      string   // output of the health checks that fail
	Probe     int      // exit code of the health checks that fail, 0: 1
	Dies      int      // until it dies, 0: never
	Deaths    int      // how often, 0: at each start
	Code      int      // exit code of the death
	OOM       bool     // the kernel killed it
	Fails     string   // the engine cannot start it, and says so
	StopCode  int      // exit code of a stop
	Log       []string // lines of each start; those that begin with "!" go to stderr
}

// box is a container in the engine, as inspect shows it.
type box struct {
	container.InspectResponse
	input  *io.PipeReader // what a helper reads of attend
	attend *io.PipeWriter
	// streams is where its output goes, if that was attached to before its start.
	streams *multiplexer
	kill    func() // ends a helper that works, and returns when it has ended
	life    Life
	port    uint16
	probes  int
	deaths  int
	log     []logged
}

type logged struct {
	at     time.Time
	stderr bool
	text   string
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

// SetLife says how containers of a name, or else of an image, live from their next start
// on, also those that do not exist yet.
func (s *Server) SetLife(nameOrImage string, life Life) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives[nameOrImage] = life
	for _, b := range s.containers {
		if b.Name == "/"+nameOrImage || b.Config.Image == nameOrImage {
			b.life, b.deaths = life, 0
		}
	}
}

// Die ends a running container from inside, now.
func (s *Server) Die(name string, code int, oom bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, err := s.find(name); err == nil && b.State.Running {
		s.die(b, code, oom)
	}
}

// Log lets a container write a line.
func (s *Server) Log(name, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, err := s.find(name); err == nil {
		s.write(b, line)
	}
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
	request.Labels = labels
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

func (s *Server) start(b *box) error {
	if b.State.Running && !b.State.Restarting {
		return nil
	}
	if b.life.Fails != "" {
		b.State.Error, b.State.ExitCode = b.life.Fails, 128
		return problem{http.StatusInternalServerError, b.life.Fails}
	}
	b.probes = 0
	*b.State = container.State{Status: container.StateRunning, Running: true, StartedAt: time.Now().UTC().Format(time.RFC3339Nano), FinishedAt: b.State.FinishedAt}
	if b.Config.Healthcheck != nil {
		b.State.Health = &container.Health{Status: container.Starting}
	}
	s.emit(b, "start", nil)
	for _, line := range b.life.Log {
		s.write(b, line)
	}
	if len(b.Config.Cmd) > 0 && b.Config.Cmd[0] == "free" {
		s.write(b, s.Disk)
		s.die(b, 0, false)
	} else if s.works(b) {
		s.help(b)
	}
	return nil
}

// works reports whether a container is a helper that does something.
func (s *Server) works(b *box) bool {
	return s.helper != nil && strings.HasPrefix(b.Config.Image, "tale-helper:") && b.Config.Cmd[0] != "hold"
}

func (s *Server) die(b *box, code int, oom bool) {
	if oom {
		s.emit(b, "oom", nil)
	}
	*b.State = container.State{
		Status: container.StateExited, ExitCode: code, OOMKilled: oom, Health: b.State.Health,
		StartedAt: b.State.StartedAt, FinishedAt: time.Now().UTC().Format(time.RFC3339Nano),
	}
	b.deaths++
	if policy := b.HostConfig.RestartPolicy.Name; policy != "" && policy != container.RestartPolicyDisabled {
		b.State.Status, b.State.Running, b.State.Restarting = container.StateRestarting, true, true
		b.RestartCount++
	}
	_ = b.attend.Close()
	s.emit(b, "die", map[string]string{"exitCode": strconv.Itoa(code)})
	if b.HostConfig.AutoRemove {
		s.remove(b)
	}
}

func (s *Server) stop(b *box) {
	if !b.State.Running {
		return
	}
	policy := b.HostConfig.RestartPolicy
	b.HostConfig.RestartPolicy = container.RestartPolicy{}
	s.emit(b, "kill", nil)
	s.die(b, b.life.StopCode, false)
	b.HostConfig.RestartPolicy = policy
	s.emit(b, "stop", nil)
}

// end stops a container whose program may be a helper at work.
func (s *Server) end(b *box) {
	if b.kill != nil {
		s.mu.Unlock()
		b.kill()
		s.mu.Lock()
	}
	s.stop(b)
}

func (s *Server) remove(b *box) {
	s.containers = slices.DeleteFunc(s.containers, func(other *box) bool { return other == b })
	for _, n := range s.networks {
		delete(n.Containers, b.ID)
	}
	s.emit(b, "destroy", nil)
}

func (s *Server) write(b *box, line string) {
	text, stderr := strings.CutPrefix(line, "!")
	b.log = append(b.log, logged{time.Now().UTC(), stderr, text})
	s.notify()
}

// probeInterval is between two health checks of a container.
const probeInterval = 5 * time.Millisecond

// live makes a health check of every running container, again and again.
func (s *Server) live(stop <-chan struct{}) {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		s.mu.Lock()
		for _, b := range slices.Clone(s.containers) {
			s.probe(b)
		}
		s.mu.Unlock()
	}
}

func (s *Server) probe(b *box) {
	if b.State.Restarting {
		_ = s.start(b)
		return
	}
	if !b.State.Running {
		return
	}
	b.probes++
	life := b.life
	if life.Dies > 0 && b.probes >= life.Dies && (life.Deaths == 0 || b.deaths < life.Deaths) {
		s.die(b, life.Code, life.OOM)
		return
	}
	health := b.State.Health
	if health == nil {
		return
	}
	is, check := health.Status, &container.HealthcheckResult{Start: time.Now()}
	switch {
	case life.Unhealthy > 0 && b.probes >= life.Unhealthy:
		is = container.Unhealthy
	case life.Healthy >= 0 && b.probes > life.Healthy:
		is = container.Healthy
	}
	if is != container.Healthy {
		check.ExitCode, check.Output = cmp.Or(life.Probe, 1), life.Says
	}
	if health.Log = append(health.Log, check); len(health.Log) > 5 {
		health.Log = health.Log[1:]
	}
	if is != health.Status {
		health.Status = is
		s.emit(b, "health_status: "+string(is), nil)
	}
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
					ID: b.ID, Names: []string{b.Name}, Image: b.Config.Image, ImageID: b.Image, Created: created.Unix(), Labels: b.Config.Labels,
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

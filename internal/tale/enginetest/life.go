package enginetest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
)

// Life is what becomes of a container after each start. Health checks are the clock.
type Life struct {
	Healthy   int      // health checks until it is healthy, -1: never
	Unhealthy int      // until it is unhealthy, 0: never
	Says      string   // output of the health checks that fail
	Probe     int      // exit code of the health checks that fail, 0: 1
	Dies      int      // until it dies, 0: never
	Deaths    int      // how often, 0: at each start
	Backoff   int      // health checks that the engine lets pass before it starts it again
	Code      int      // exit code of the death
	OOM       bool     // the kernel killed it
	Fails     string   // the engine cannot start it, and says so
	StopCode  int      // exit code of a stop
	Log       []string // lines of each start; those that begin with "!" go to stderr
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

// Pause lets a running container stand still, as docker pause does.
func (s *Server) Pause(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, err := s.find(name); err == nil && b.State.Running {
		b.State.Status, b.State.Paused = container.StatePaused, true
	}
}

// Sicken lets a running container fail its health check until its next start.
func (s *Server) Sicken(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, err := s.find(name); err == nil && b.State.Health != nil {
		b.sick, b.State.Health.Status = true, container.Unhealthy
	}
}

func (s *Server) start(b *box) error {
	if b.State.Running && !b.State.Restarting {
		return nil
	}
	if b.life.Fails != "" {
		b.State.Error, b.State.ExitCode = b.life.Fails, 128
		return problem{http.StatusInternalServerError, b.life.Fails}
	}
	b.probes, b.sick = 0, false
	*b.State = container.State{Status: container.StateRunning, Running: true, StartedAt: time.Now().UTC().Format(time.RFC3339Nano), FinishedAt: b.State.FinishedAt}
	if b.Config.Healthcheck != nil {
		b.State.Health = &container.Health{Status: container.Starting}
	}
	s.emit(b, "start", nil)
	for _, line := range b.life.Log {
		s.write(b, line)
	}
	if s.works(b) {
		s.help(b)
	}
	return nil
}

// works reports whether a container is a helper that does something.
func (s *Server) works(b *box) bool {
	if !strings.HasPrefix(b.Config.Image, "tale-helper:") || len(b.Config.Cmd) == 0 {
		return false
	}
	return b.Config.Cmd[0] == "free" || s.helper != nil && b.Config.Cmd[0] != "hold"
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
	b.probes = 0
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
	b.probes++
	life := b.life
	if b.State.Restarting {
		if b.probes > life.Backoff {
			_ = s.start(b)
		}
		return
	}
	if !b.State.Running {
		return
	}
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
	case b.sick, life.Unhealthy > 0 && b.probes >= life.Unhealthy:
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

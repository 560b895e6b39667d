package demo

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Names of the services, in the boot's order.
const (
	convexName   = "convex"
	platformName = "platform"
	proxyName    = "proxy"
)

// stack is the running services.
type stack struct {
	environment environment
	screen      *screen
	services    []*service
	booted      bool // all of them were ready

	died  chan struct{} // closed when the first service has ended
	first *service      // it; read it after died was closed
	once  sync.Once
}

func newStack(e environment, screen *screen) *stack {
	return &stack{environment: e, screen: screen, died: make(chan struct{})}
}

// start starts everything at once: each service waits itself for those that it
// needs. What was started stays in the stack when a later one cannot be.
func (s *stack) start() error {
	for _, launch := range []struct {
		name    string
		binary  string
		environ config.Environ
	}{
		{convexName, "convex-entrypoint", s.environment.convex()},
		{platformName, "platform-entrypoint", s.environment.platform()},
		{proxyName, "proxy", s.environment.proxy()},
	} {
		if err := s.launch(launch.name, launch.binary, launch.environ); err != nil {
			return err
		}
	}
	return nil
}

func (s *stack) launch(name, binary string, environ config.Environ) error {
	if _, err := s.environment.folder.sub("run", name); err != nil {
		return err
	}
	if err := s.environment.folder.keep(name, environ); err != nil {
		return err
	}
	log, err := openServiceLog(s.environment.folder, name, s.screen.relay(s.environment.options.Verbose, name))
	if err != nil {
		return err
	}
	service, err := startService(name, []string{filepath.Join(s.environment.options.Bin, binary), "run"}, environ, log)
	if err != nil {
		log.close()
		return err
	}
	s.services = append(s.services, service)
	go func() {
		<-service.child.Done()
		if service.asked.Load() {
			return
		}
		s.once.Do(func() {
			s.first = service
			close(s.died)
		})
	}()
	return nil
}

// restartConvex stops convex as an operator does, starts it again and waits until
// it is ready, and the proxy has seen that: it looks in its own time.
func (s *stack) restartConvex(ctx context.Context) error {
	at := slices.IndexFunc(s.services, func(service *service) bool { return service.name == convexName })
	convex := s.services[at]
	s.services = slices.Delete(s.services, at, at+1)
	convex.asked.Store(true)
	err := convex.stop(ctx, true)
	convex.log.close()
	if err != nil {
		return err
	}
	if err := s.launch(convexName, "convex-entrypoint", s.environment.convex()); err != nil { //nolint:contextcheck // as in start
		return err
	}
	ctx, cancel := s.booting(ctx)
	defer cancel()
	if err := s.awaitReady(ctx, s.environment.id.Ports.ConvexStatus); err != nil {
		return err
	}
	return s.awaitProxy(ctx, "/health?deep")
}

// stop ends the services that still run: first the platform, which drains, then
// the proxy, whose visitors must not see a backend go away under them, and the
// backend last. It reports every end that was not clean.
func (s *stack) stop(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	var problems []error
	for _, name := range []string{platformName, proxyName, convexName} {
		at := slices.IndexFunc(s.services, func(service *service) bool { return service.name == name })
		if at < 0 {
			continue
		}
		problems = append(problems, s.services[at].stop(ctx, s.booted))
		s.services[at].log.close()
	}
	return errors.Join(problems...)
}

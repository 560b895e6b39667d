package demo

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// service is one of our binaries as a process of the demo.
type service struct {
	name  string
	log   *serviceLog
	child *supervise.Child
	dead  atomic.Bool // reported as ended by itself
	asked atomic.Bool // to end, for a restart
}

func startService(name string, argv []string, environ config.Environ, log *serviceLog) (*service, error) {
	child, err := supervise.Start(logging.Discard(), supervise.Process{
		Name: name, Argv: argv, Env: environ.List(), Line: log.line,
		Stop: []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: stopPatience}},
	})
	if err != nil {
		return nil, err
	}
	return &service{name: name, log: log, child: child}, nil
}

// death returns the error for a service that ended although nobody asked it to; its
// exit code is the service's own.
func (s *service) death() error {
	s.dead.Store(true)
	status := s.child.Status()
	code := status.ExitCode()
	if code == 0 {
		code = exit.UnrequestedEnd
	}
	return exit.With(code, s.log.explain(fmt.Errorf("%s ended by itself: %s", s.name, status)))
}

// stop ends the service and reports an end that was not a clean one. A service
// that is still starting may not listen to signals yet and end by ours.
func (s *service) stop(ctx context.Context, booted bool) error {
	status := s.child.Stop(ctx)
	clean := status.Success() || !booted && status.Signal() == syscall.SIGTERM
	if !clean && !s.dead.Load() {
		return s.log.explain(fmt.Errorf("%s did not stop cleanly: %s", s.name, status))
	}
	return nil
}

package supervise

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Supervisor keeps services running.
type Supervisor struct {
	log     *slog.Logger
	runners runnerList
}

// New returns a supervisor that logs to log.
func New(log *slog.Logger) *Supervisor { return &Supervisor{log: log} }

// Run starts the services and keeps them running until ctx ends or a critical
// one has failed; then it stops them all at the same time and returns when
// they are over. The error is nil when ctx ended: a requested stop. Otherwise
// it carries the exit code of the child that failed, exit.UnrequestedEnd when
// that was 0. Signals that a service wants (PassOn) are passed on to it.
func (s *Supervisor) Run(ctx context.Context, services ...Service) error {
	var names []string
	for _, service := range services {
		names = append(names, service.Name)
	}
	s.log.Info("supervising", "services", names, "stop_budget", StopBudget(services))
	group, groupCtx := errgroup.WithContext(ctx)
	for _, service := range services {
		r := s.runners.add(s.log, service)
		group.Go(func() error { return r.run(groupCtx) })
	}
	defer s.passOnSignals(services)()
	err := group.Wait()
	if strays := processTable().endStrays(killDelay); strays > 0 {
		s.log.Warn("killed processes that had left their group", "processes", strays)
	}
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return nil
	default:
		return exit.Errorf(exit.UnrequestedEnd, "no service is left: %v", names)
	}
}

// passOnSignals sends received signals on to the services that want them.
func (s *Supervisor) passOnSignals(services []Service) (stop func()) {
	received := make(chan os.Signal, 16)
	over := make(chan struct{})
	for _, service := range services {
		for _, sig := range service.PassOn {
			signal.Notify(received, sig)
		}
	}
	go func() {
		for {
			select {
			case sig := <-received:
				s.runners.passOn(sig.(syscall.Signal))
			case <-over:
				return
			}
		}
	}()
	return func() {
		signal.Stop(received)
		close(over)
	}
}

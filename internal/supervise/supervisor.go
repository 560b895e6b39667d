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
// that was 0. SIGUSR1, SIGUSR2 and SIGWINCH are passed on to every service.
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
	stopForwarding := s.forwardSignals()
	defer stopForwarding()
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

// forwardSignals passes on the signals that mean something only to children.
func (s *Supervisor) forwardSignals() (stop func()) {
	received := make(chan os.Signal, 16)
	over := make(chan struct{})
	signal.Notify(received, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	go func() {
		for {
			select {
			case sig := <-received:
				s.runners.signal(sig)
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

package convexsim

import (
	"context"
	"errors"
	"net/http"
	"os"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
)

// Run returns the life of a simulator: it opens the ports, serves, and returns when
// it was stopped. As with the backend, the first interrupt lets running requests
// finish, however long that takes, and the second does not; everything else that
// can end it is the process's own business. Cancelling ctx is an immediate end.
//
// A death that a fault asked for is returned, not carried out.
func (s *Server) Run(ctx context.Context, interrupts <-chan os.Signal) (*fault.Death, error) {
	defer close(s.finished)
	defer s.End()
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(s.life, cancel)()
	defer cancel()
	if death := s.begin(ctx, interrupts); death != nil || ctx.Err() != nil {
		return death, nil
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.log.Info("backend listening", "api", s.URL(), "site", s.SiteURL(), "control", s.URL()+controlPrefix)
	serving, _ := errgroup.WithContext(ctx)
	serving.Go(func() error { return ignoreClosed(s.api.Serve(s.apiListener)) })
	serving.Go(func() error { return ignoreClosed(s.site.Serve(s.siteListener)) })
	serving.Go(func() error { s.migrate(s.life); return nil })
	if s.functions != nil {
		serving.Go(func() error { s.functions.Run(s.life); return nil })
	}
	serving.Go(func() error { s.event(s.life, fault.StageRunning); return nil })

	death := s.wait(ctx, interrupts)
	// Connections first: what a request would still answer when it is told of the
	// end must not reach its client.
	closing := errors.Join(s.api.Close(), s.site.Close())
	s.End()
	return death, errors.Join(serving.Wait(), closing)
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// begin applies the faults of the start. Until the ports are open, an interrupt
// has its default action, as in the backend.
func (s *Server) begin(ctx context.Context, interrupts <-chan os.Signal) *fault.Death {
	begun, done := context.WithCancel(ctx)
	go func() {
		defer done()
		s.event(begun, fault.StageStart)
	}()
	select {
	case <-begun.Done():
	case <-interrupts:
		done()
		return &fault.Death{Signal: syscall.SIGINT}
	}
	select {
	case death := <-s.deaths:
		return &death
	default:
		return nil
	}
}

// wait returns when the simulator shall end at once: after a drain, on a second
// interrupt, on a death, or when ctx is cancelled.
func (s *Server) wait(ctx context.Context, interrupts <-chan os.Signal) *fault.Death {
	select {
	case <-ctx.Done():
		return nil
	case death := <-s.deaths:
		s.logDeath(death)
		return &death
	case <-interrupts:
	}
	s.log.Info("Received Ctrl-C signal!")
	s.log.Info("Shutdown initiated, draining existing requests...")
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.drain(ctx)
	}()
	select {
	case <-ctx.Done():
	case <-drained:
		s.log.Info("Server successfully shut down.")
	case death := <-s.deaths:
		return &death
	case <-interrupts:
		s.log.Warn("Forcibly shutting down!")
	}
	return nil
}

// logDeath writes what the backend's log has before such an end. A lost database
// lease ends it with status 0.
func (s *Server) logDeath(death fault.Death) {
	s.log.Error("a fault ends the simulator", "death", death.String())
	if death.Signal == 0 && death.Exit == 0 {
		s.logError("operational", "Your request couldn't be completed. Try again later.: Lease Lost")
		s.log.Info("Received a fatal error. Shutting down immediately")
		s.log.Info("Cool down expired. Shutting down")
	}
}

// logError writes what the backend's log has for each error that it reports: the second
// line says that Sentry does not get it.
func (s *Server) logError(label, words string) {
	log := s.log.With("target", "common::errors")
	log.Error("Caught " + label + " error (RUST_BACKTRACE=1 RUST_LOG=info,common::errors=debug for full trace): " + words)
	log.Error("Not reporting above error: Sentry is not configured")
}

func (s *Server) drain(ctx context.Context) {
	var draining errgroup.Group
	draining.Go(func() error { return s.api.Shutdown(ctx) })
	draining.Go(func() error { return s.site.Shutdown(ctx) })
	if err := draining.Wait(); err != nil && ctx.Err() == nil {
		s.log.Warn("draining failed", "error", err)
	}
}

// die asks Run to end with the given death.
func (s *Server) die(death fault.Death) {
	select {
	case s.deaths <- death:
	default: // it is dying already
	}
}

// End ends the simulator at once, as the loss of power would. Done says when it has.
func (s *Server) End() { s.end() }

// Done returns a channel that is closed when Run has returned.
func (s *Server) Done() <-chan struct{} { return s.finished }

package demo

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	// bootLimit is for a service that neither gets ready nor ends; the services'
	// own limits are shorter.
	bootLimit = 3 * time.Minute
	// lookEvery is how often a service is asked what it does.
	lookEvery = 10 * time.Millisecond
)

// await follows the boot until all three services are ready and returns what
// the platform says about itself then. It ends early when a service does.
func (s *stack) await(ctx context.Context) (status.Document, error) {
	ctx, cancel := s.booting(ctx)
	defer cancel()
	// They boot at the same time, and are shown one after the other.
	if _, err := s.follow(ctx, convexName, s.environment.id.Ports.ConvexStatus); err != nil {
		return status.Document{}, err
	}
	platform, err := s.follow(ctx, platformName, s.environment.id.Ports.PlatformStatus)
	if err != nil {
		return platform, err
	}
	if err := s.awaitProxy(ctx, "/health"); err != nil {
		return platform, err
	}
	s.screen.row(proxyName, "ready", 0, s.environment.id.siteURL())
	return platform, s.awaitSite(ctx)
}

// booting returns a context that ends when a boot takes too long, or a service ends.
func (s *stack) booting(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithTimeoutCause(ctx, bootLimit, fmt.Errorf("cannot boot the stack: not ready after %s", bootLimit))
	ctx, fail := context.WithCancelCause(ctx)
	go s.watch(ctx, fail)
	return ctx, func() { fail(nil); cancel() }
}

// awaitReady waits until a status port says that its service is ready.
func (s *stack) awaitReady(ctx context.Context, port int) error {
	source := status.Source{Addr: loopback(port)}
	return until(ctx, func() bool {
		document, err := source.Fetch(ctx)
		return err == nil && document.Ready
	})
}

// until looks again and again whether something is so.
func until(ctx context.Context, so func() bool) error {
	for !so() {
		if !pause.For(ctx, lookEvery) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// watch ends a boot whose service has ended.
func (s *stack) watch(ctx context.Context, fail context.CancelCauseFunc) {
	select {
	case <-s.died:
		fail(s.first.death())
	case <-ctx.Done():
	}
}

// follow asks a status port until the service is ready, and shows its stages in
// their order, each when those before it are over as well.
func (s *stack) follow(ctx context.Context, name string, port int) (status.Document, error) {
	source := status.Source{Addr: loopback(port)}
	for shown := 0; ; {
		document, err := source.Fetch(ctx)
		if err == nil {
			for shown < len(document.Stages) && (document.Ready || over(document.Stages[shown].State)) {
				stage := document.Stages[shown]
				s.screen.row(name, stage.Name, time.Duration(stage.DurationMS)*time.Millisecond, stage.Detail)
				shown++
			}
			if document.Ready {
				return document, nil
			}
		}
		if !pause.For(ctx, lookEvery) {
			return document, context.Cause(ctx)
		}
	}
}

func over(state report.State) bool {
	return state == report.Done || state == report.Skipped || state == report.Failed
}

// awaitProxy asks the proxy's own health port until a path of it has a good answer.
func (s *stack) awaitProxy(ctx context.Context, path string) error {
	prober := health.NewProber()
	return until(ctx, func() bool {
		_, err := prober.Get(ctx, "http://"+loopback(s.environment.id.Ports.ProxyHealth)+path)
		return err == nil
	})
}

// awaitSite asks for the page until the proxy, which probes the platform in its
// own time, has learned that the platform is up.
func (s *stack) awaitSite(ctx context.Context) error {
	visitor, err := s.visitor()
	if err != nil {
		return err
	}
	defer visitor.Close()
	began := time.Now()
	err = until(ctx, func() bool {
		page, err := visitor.Ask(ctx, site.Request{URL: "/", Header: map[string]string{"Accept": "text/html"}})
		return err == nil && page.StatusCode == http.StatusOK
	})
	if err == nil {
		s.screen.row("site", "page", time.Since(began), "through the proxy")
	}
	return err
}

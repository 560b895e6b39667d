package convex

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/convex/dashboard"
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// errNewTrust restarts the children once: they read their authorities at start.
var errNewTrust = errors.New("the proxy's root certificate is new")

// serve runs the backend and the dashboard until a stop is requested or the
// backend has failed for good.
func (b *Boot) serve(ctx context.Context) error {
	if knobs := backend.OverriddenKnobs(b.environ); len(knobs) > 0 {
		b.log.Info("the backend is tuned by the environment", "count", len(knobs), "knobs", logging.Few(knobs))
	}
	defer b.backend.close()
	serving, cancel := context.WithCancel(ctx)
	group, groupCtx := errgroup.WithContext(serving)
	group.Go(func() error {
		<-groupCtx.Done()
		if ctx.Err() != nil {
			// Without a pause: no other backend could take requests over, and this
			// one finishes those it has by itself.
			b.Drain()
		}
		return nil
	})
	group.Go(func() error {
		defer cancel()
		return b.keepServing(groupCtx)
	})
	if b.database != nil {
		group.Go(func() error {
			b.database.run(groupCtx)
			return nil
		})
	}
	return b.explain(group.Wait())
}

// explain adds the explanation of the backend's last crash.
func (b *Boot) explain(err error) error {
	if _, ended := supervise.Ended(err); ended && b.backend.lastCrash() != nil {
		return &crashError{err, b.backend.lastCrash()}
	}
	return b.backendChild().Explain(err)
}

func (b *Boot) backendChild() boot.Child {
	return boot.Child{Name: backendName, Service: serviceName, Setting: "CONVEX_BACKEND_COMMAND", Command: strings.Join(b.settings.Backend.Command, " ")}
}

func (b *Boot) dashboardChild() boot.Child {
	return boot.Child{Name: dashboard.Name, Service: serviceName, Setting: "CONVEX_DASHBOARD_COMMAND", Command: strings.Join(b.settings.Dashboard.Command, " ")}
}

// becomeReady opens readiness; the first time that ends the boot.
func (b *Boot) becomeReady() {
	b.Ready("backend", b.settings.Network.URL())
	b.booted.Do(func() { b.Begin(stageReady)("", nil) })
}

// keepServing runs the children, and runs them again when they must read a new
// root.
func (b *Boot) keepServing(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := b.serveGeneration(ctx); !errors.Is(err, errNewTrust) {
			return err
		}
	}
	return nil
}

func (b *Boot) serveGeneration(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	revision := b.trust.Revision()
	services, err := b.generation(cancel) //nolint:contextcheck // children outlive ctx until they are stopped
	if err != nil {
		return err
	}
	supervisor := supervise.New(b.log)
	b.services.Store(supervisor)
	ended := make(chan error, 1)
	go func() { ended <- supervisor.Run(ctx, services...) }()
	err = b.untilNewTrust(ended, revision, cancel)
	if cause := context.Cause(ctx); err == nil && (errors.Is(cause, errNewTrust) || errors.As(cause, new(*report.Error))) {
		return cause
	}
	return err
}

// untilNewTrust waits for the end of a generation, and stops it when the bundle is no
// longer what its children have read.
func (b *Boot) untilNewTrust(ended <-chan error, revision int, cancel context.CancelCauseFunc) error {
	for {
		select {
		case err := <-ended:
			return err
		case <-b.trust.Changed():
			if b.trust.Revision() != revision {
				b.log.Info("the children start again to trust the proxy's root certificate")
				cancel(errNewTrust)
				return <-ended
			}
		}
	}
}

// generation describes the children as they are to be started now.
func (b *Boot) generation(stop context.CancelCauseFunc) ([]supervise.Service, error) {
	trust := b.trust.Env()
	child, err := b.backend.service(trust, stop)
	if err != nil {
		return nil, err
	}
	services := []supervise.Service{child}
	if len(b.settings.Dashboard.Command) == 0 {
		b.Skip(stageDashboard, "switched off: CONVEX_DASHBOARD_COMMAND is empty")
		return services, nil
	}
	board := &dashboard.Dashboard{
		Log: b.log, Settings: b.settings.Dashboard, Interface: b.settings.Network.Interface, SiteURL: b.settings.Site.SiteURL,
		Environ: b.environ, Mask: secretMask(b.settings, b.environ), Finish: b.Begin(stageDashboard),
	}
	service := board.Service(trust)
	service.Explain = b.dashboardChild().Advise
	return append(services, service), nil
}

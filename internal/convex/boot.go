package convex

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/status"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/version"
)

// Stages of a boot, as the log and the report name them.
const (
	stageConfig    = "config"
	stageStorage   = "storage"
	stageTrust     = "trust"
	stageSeed      = "seed"
	stageBackend   = "backend"
	stageDashboard = "dashboard"
	stageReady     = "ready"
)

// Boot is one boot of the convex service.
type Boot struct {
	settings *Settings
	environ  config.Environ
	log      *slog.Logger
	report   *report.Recorder
	markers  health.Markers
	ready    health.Gate
	started  health.Gate
	metrics  *metrics

	trust    *trustBundle
	renewed  chan struct{} // the bundle may have changed
	guard    volumeGuard
	backend  *backendWatch
	services atomic.Pointer[supervise.Supervisor]
}

// stage is one step of a boot. Its detail says in a few words what came of it.
type stage struct {
	name string
	run  func(context.Context) (detail string, err error)
}

// newBoot prepares a boot.
func newBoot(settings *Settings, environ config.Environ, log *slog.Logger) *Boot {
	b := &Boot{
		settings: settings, environ: environ, log: log,
		markers: health.NewMarkers(settings.Folders.RunDir, "convex"),
		trust:   newTrustBundle(log, settings.Trust, settings.Folders.RunDir, environ),
		renewed: make(chan struct{}, 1),
	}
	b.report = report.NewRecorder(log, settings.Folders.reportPath(), "convex", settings.Seed.Version,
		stageConfig, stageStorage, stageTrust, stageSeed, stageBackend, stageDashboard, stageReady)
	b.metrics = newMetrics(b)
	b.backend = newBackendWatch(b)
	b.services.Store(supervise.New(log))
	b.notReady("starting")
	b.started.Close("starting")
	return b
}

func (f Folders) reportPath() string { return filepath.Join(f.RunDir, "convex-report.json") }

// run is the whole service. It returns nil after a requested stop.
func (b *Boot) run(ctx context.Context) error {
	b.log.Info("convex starts", "version", b.settings.Seed.Version, "runtime", version.String(),
		"instance", b.settings.Instance.Name, "site", b.settings.Network.SiteURL, "storage", b.settings.Database.Storage)
	port, err := b.prepare()
	if err != nil {
		return b.fail(stageConfig, err)
	}
	defer port.Close() //nolint:contextcheck // it closes after ctx has ended
	defer b.clean()
	defer b.watchTrust(ctx)()
	for _, s := range []stage{
		{stageStorage, b.prepareStorage},
		{stageTrust, b.prepareTrust},
		{stageSeed, b.seedData},
	} {
		if err := b.runStage(ctx, s); err != nil {
			return b.end(ctx, s.name, err)
		}
	}
	if knobs := overriddenKnobs(b.environ); len(knobs) > 0 {
		b.log.Info("the backend is tuned by the environment", "knobs", knobs)
	}
	if err := b.serve(ctx); err != nil {
		return b.end(ctx, stageBackend, err)
	}
	b.report.Update(func(d *report.Document) { d.State = report.Done })
	b.log.Info("convex is stopped")
	return nil
}

// prepare opens the status port and forgets what an earlier run left behind.
func (b *Boot) prepare() (*health.Server, error) {
	finish := b.report.Begin(stageConfig)
	port, err := b.openStatusPort()
	if err == nil {
		err = exit.With(exit.Config, errors.Join(b.markers.Clear(), b.settings.checkPortsFree()))
	}
	finish(b.settings.Instance.describe(), err)
	return port, err
}

// clean leaves no marker behind: the next process to look at them may come
// before the next start does.
func (b *Boot) clean() {
	if err := b.markers.Clear(); err != nil {
		b.log.Warn("a marker stays behind", "error", err)
	}
}

func (b *Boot) runStage(ctx context.Context, s stage) error {
	b.ready.Close("stage " + s.name)
	b.started.Close("stage " + s.name)
	began, finish := time.Now(), b.report.Begin(s.name)
	detail, err := s.run(ctx)
	finish(detail, err)
	b.metrics.stageTook(s.name, time.Since(began))
	if err == nil {
		b.log.Info("stage "+s.name+" done", "took", time.Since(began), "result", detail)
	}
	return err
}

// watchTrust begins to look for the proxy's root certificate, so that it may be
// there before anybody needs it, and returns the function that ends that.
func (b *Boot) watchTrust(ctx context.Context) (stop func()) {
	if !b.trust.needed() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		b.trust.Watch(ctx, func() {
			select {
			case b.renewed <- struct{}{}:
			default: // it is known already
			}
		})
	})
	return func() {
		cancel()
		watch.Wait()
	}
}

// prepareTrust brings the bundle up to date for the children's start.
func (b *Boot) prepareTrust(context.Context) (string, error) {
	if !b.trust.needed() {
		b.report.Skip(stageTrust, "TLS_MODE="+b.settings.Trust.TLSMode)
		return "the system's authorities", nil
	}
	present, _, err := b.trust.Refresh()
	switch {
	case err != nil:
		// A site that cannot be fetched from inside is better than none.
		b.log.Warn("the children will not trust the proxy's own authority", "error", err)
		return "the system's authorities", nil
	case present:
		return "the system's authorities and the proxy's root", nil
	default:
		return "the system's authorities; the proxy's root is not there yet and is looked for meanwhile", nil
	}
}

func (b *Boot) seedData(ctx context.Context) (string, error) {
	result, err := seed(ctx, b.log, b.settings.Seed, b.settings.Folders.DataDir)
	return result.String(), err
}

func (b *Boot) openStatusPort() (*health.Server, error) {
	if b.settings.StatusAddr == "" {
		return nil, nil
	}
	return health.Listen(b.log, b.settings.StatusAddr, health.Endpoints{
		Ready: &b.ready, Started: &b.started, Status: func() any { return b.status() }, Metrics: b.metrics.handler(),
	})
}

func (b *Boot) status() status.Document {
	ready, reason := b.ready.State()
	return status.Document{
		Document: b.report.Snapshot(), Ready: ready, Reason: reason,
		Children: b.services.Load().Snapshot(), Crash: lastCrash(b.settings.Folders.crashLogPath()),
	}
}

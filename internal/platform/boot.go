package platform

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/status"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/version"
)

// Stages of a boot, as the log and the report name them.
const (
	stageConfig = "config"
	stageWait   = "wait"
	stageAuth   = "auth"
	stageEnv    = "env"
	stageDeploy = "deploy"
	stageServe  = "serve"
	stageReady  = "ready"
)

const terminationLog = "/dev/termination-log"

// Boot is one boot of the platform service.
type Boot struct {
	settings *Settings
	environ  config.Environ
	log      *slog.Logger
	report   *report.Recorder
	markers  health.Markers
	ready    health.Gate
	started  health.Gate
	services *supervise.Supervisor
	metrics  *metrics
	// oneShot is a boot that ends by itself: it has no readiness, and stopped
	// early it has not done what it was asked for.
	oneShot bool
	drained atomic.Bool // draining has begun; readiness does not come back

	client  *push.Client
	changed push.Changed // by this boot, for the message of a failure
}

// stage is one step of a boot. Its detail says in a few words what came of it.
type stage struct {
	name string
	run  func(context.Context) (detail string, err error)
}

// newBoot prepares a boot that will go through the given stages.
func newBoot(settings *Settings, environ config.Environ, log *slog.Logger, stages ...string) *Boot {
	b := &Boot{
		settings: settings, environ: environ, log: log,
		markers:  health.NewMarkers(settings.Runtime.RunDir, "platform"),
		services: supervise.New(log),
	}
	b.oneShot = !slices.Contains(stages, stageServe)
	b.report = report.NewRecorder(log, settings.Runtime.reportPath(b.oneShot && b.markers.Ready()), "platform", b.version(), append([]string{stageConfig}, stages...)...)
	b.metrics = newMetrics(b)
	b.ready.Close("starting")
	b.started.Close("starting")
	return b
}

func (b *Boot) version() string {
	if b.settings.Runtime.Version != "" {
		return b.settings.Runtime.Version
	}
	return version.String()
}

// run is the whole service: everything up to the web server, and that until a
// stop is requested.
func (b *Boot) run(ctx context.Context) error { return b.follow(ctx, b.serve, b.pushStages()...) }

// pushOnly brings the backend up to date and ends: a job that runs once while
// many replicas serve, perhaps in a container where one of them does.
func (b *Boot) pushOnly(ctx context.Context) error { return b.follow(ctx, nil, b.pushStages()...) }

// serveOnly runs the web server and pushes nothing.
func (b *Boot) serveOnly(ctx context.Context) error { return b.follow(ctx, b.serve) }

func (b *Boot) pushStages() []stage {
	return []stage{
		{stageWait, b.wait},
		{stageAuth, b.authenticate},
		{stageEnv, b.syncEnv},
		{stageDeploy, b.deploy},
	}
}

// follow runs the stages in order and then the service, if there is one, with
// the status port open from the first moment to the last.
func (b *Boot) follow(ctx context.Context, service func(context.Context) error, stages ...stage) error {
	began := time.Now()
	b.log.Info("platform starts", "version", b.version(), "runtime", version.String(),
		"site", b.settings.Pushed.SiteURL, "convex", b.settings.Backend.ConvexURL)
	status, err := b.prepare()
	if err != nil {
		return b.fail(stageConfig, err)
	}
	defer status.Close()
	defer b.clearMarkers()
	for _, s := range stages {
		err := context.Cause(ctx)
		if err == nil {
			err = b.runStage(ctx, s)
		}
		if err != nil {
			return b.end(ctx, s.name, err)
		}
	}
	if service != nil {
		if err := service(ctx); err != nil {
			return b.end(ctx, stageServe, err)
		}
	}
	b.report.Update(func(d *report.Document) { d.State = report.Done })
	b.log.Info("platform is done", "took", time.Since(began))
	return nil
}

// prepare forgets what an earlier run left behind, makes sure that readiness
// can be said at the end, and opens the status port.
func (b *Boot) prepare() (*health.Server, error) {
	finish := b.report.Begin(stageConfig)
	b.clearMarkers()
	_, err := checkWritable(b.settings.Runtime.RunDir)
	if err != nil {
		err = exit.Errorf(exit.Config, "TALE_RUN_DIR: %w; mount a tmpfs there, or name another folder", err)
	}
	var status *health.Server
	if err == nil {
		status, err = b.openStatusPort()
	}
	finish("", err)
	return status, err
}

// clearMarkers is done at the start and at the end: who looks at the markers
// next may do so before the next start. A one-shot boot owns none.
func (b *Boot) clearMarkers() {
	if b.oneShot {
		return
	}
	if err := b.markers.Clear(); err != nil {
		b.log.Warn("a marker stays behind", logging.Err(err))
	}
}

func (b *Boot) runStage(ctx context.Context, s stage) error {
	b.ready.Close("stage " + s.name)
	b.started.Close("stage " + s.name)
	began, finish := time.Now(), b.report.Begin(s.name)
	b.log.Debug("stage begins", "stage", s.name)
	detail, err := s.run(ctx)
	if stopRequested(ctx, err) != nil {
		b.report.Skip(s.name, "stopped")
	}
	finish(detail, err)
	b.metrics.stageTook(s.name, time.Since(began))
	if err == nil {
		b.log.Info("stage "+s.name+" done", "took", time.Since(began), "result", detail)
	}
	return err
}

// end tells a requested stop, which is no failure at any stage, from one.
func (b *Boot) end(ctx context.Context, stage string, err error) error {
	stop := stopRequested(ctx, err)
	if stop == nil {
		return b.fail(stage, err)
	}
	b.ready.Close("stopped")
	b.report.Update(func(d *report.Document) { d.State, d.Failure = report.Done, nil })
	if b.oneShot {
		b.log.Error("stopped before everything was pushed", "stage", stage)
		return cli.Logged(exit.With(exit.SignalBase+int(stop.Signal), err))
	}
	b.log.Info("platform stopped before it was ready", "stage", stage)
	return nil
}

// stopRequested returns the stop that an error comes from, nil if it comes from
// something else.
func stopRequested(ctx context.Context, err error) *supervise.StopRequested {
	var stop *supervise.StopRequested
	if err != nil && errors.As(context.Cause(ctx), &stop) && (errors.Is(err, context.Canceled) || errors.As(err, &stop)) {
		return stop
	}
	return nil
}

func (b *Boot) openStatusPort() (*health.Server, error) {
	if b.settings.Runtime.StatusAddr == "" {
		return nil, nil
	}
	server, err := health.Listen(b.log, b.settings.Runtime.StatusAddr, health.Endpoints{
		Ready: &b.ready, Started: &b.started, Status: func() any { return b.status() }, Metrics: b.metrics.handler(),
	})
	if err != nil && b.oneShot {
		b.log.Debug("no status port for this push", logging.Err(err))
		return nil, nil
	}
	return server, err
}

func (b *Boot) status() status.Document {
	ready, reason := b.ready.State()
	return status.Document{Document: b.report.Snapshot(), Ready: ready, Reason: reason, Children: b.services.Snapshot()}
}

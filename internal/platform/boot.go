package platform

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
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
	b.report = report.NewRecorder(log, settings.Runtime.reportPath(), "platform", b.version(), append([]string{stageConfig}, stages...)...)
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
// many replicas serve.
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
	for _, s := range stages {
		if err := b.runStage(ctx, s); err != nil {
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

// prepare opens the status port and forgets what an earlier run left behind.
func (b *Boot) prepare() (*health.Server, error) {
	finish := b.report.Begin(stageConfig)
	status, err := b.openStatusPort()
	if err == nil {
		err = exit.With(exit.Config, b.markers.Clear())
	}
	finish("", err)
	return status, err
}

func (b *Boot) runStage(ctx context.Context, s stage) error {
	b.ready.Close("stage " + s.name)
	b.started.Close("stage " + s.name)
	began, finish := time.Now(), b.report.Begin(s.name)
	b.log.Debug("stage begins", "stage", s.name)
	detail, err := s.run(ctx)
	finish(detail, err)
	b.metrics.stageTook(s.name, time.Since(began))
	if err == nil {
		b.log.Info("stage "+s.name+" done", "took", time.Since(began), "result", detail)
	}
	return err
}

// end tells a requested stop, which is no failure at any stage, from one.
func (b *Boot) end(ctx context.Context, stage string, err error) error {
	var stop *supervise.StopRequested
	if errors.As(context.Cause(ctx), &stop) && (errors.Is(err, context.Canceled) || errors.As(err, &stop)) {
		b.ready.Close("stopped")
		b.report.Update(func(d *report.Document) { d.State = report.Done })
		b.log.Info("platform stopped before it was ready", "stage", stage)
		return nil
	}
	return b.fail(stage, err)
}

func (b *Boot) openStatusPort() (*health.Server, error) {
	if b.settings.Runtime.StatusAddr == "" {
		return nil, nil
	}
	return health.Listen(b.log, b.settings.Runtime.StatusAddr, health.Endpoints{
		Ready: &b.ready, Started: &b.started, Status: func() any { return b.status() }, Metrics: b.metrics.handler(),
	})
}

func (b *Boot) status() status.Document {
	ready, reason := b.ready.State()
	return status.Document{Document: b.report.Snapshot(), Ready: ready, Reason: reason, Children: b.services.Snapshot()}
}

package boot

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/entrypoint/writable"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

// StageConfig is the first stage of every boot: settings, run folder, status port.
const StageConfig = "config"

// Options describe the service that boots.
type Options struct {
	// Service names the markers, the report and the log's lines.
	Service  string
	Version  string // of the application
	Colour   string // of its container, where it is deployed in two
	Settings Settings
	// Job names a run that ends by itself, such as "push"; empty for the service.
	// A job has no readiness, may run beside its service in one container, and
	// has not done what it was asked for when it is stopped early.
	Job string
	// Describe adds to the status what the service knows, if set.
	Describe func(*status.Document)
}

// Plan is what a boot goes through.
type Plan struct {
	// Config checks the settings and the surroundings before anything begins.
	Config func(context.Context) (detail string, err error)
	// Stages run one after the other.
	Stages []Stage
	// Serve keeps the service running until a stop is requested; nil for a job.
	// It records the stages Serving itself (Begin).
	Serve   func(context.Context) error
	Serving []string
	// Facts are told in the first line of the log, as keys and values.
	Facts []any
}

// Lifecycle is one boot of a service, from its first stage to its end.
type Lifecycle struct {
	options Options
	log     *slog.Logger
	report  *report.Recorder
	metrics *metrics
	changes map[string]bool // by the name of the stage
	port    *health.Server  // nil until it is open
	lock    *os.File        // of the run folder
	readiness
}

// New prepares a boot.
func New(log *slog.Logger, o Options) *Lifecycle {
	b := &Lifecycle{options: o, log: log}
	markers := o.Settings.Markers(o.Service)
	run := ""
	if o.Job != "" && markers.Ready() {
		run = o.Job // the report of the service that is serving here stays
	}
	b.report = report.NewRecorder(log, o.Settings.ReportPath(o.Service, run), o.Service, o.version(), StageConfig)
	b.init(markers, o.Job == "")
	b.metrics = newMetrics(b)
	return b
}

func (o Options) version() string {
	if o.Version != "" {
		return o.Version
	}
	return version.String()
}

// name returns the service, or its job, in the log.
func (o Options) name() string {
	if o.Job != "" {
		return o.Service + " " + o.Job
	}
	return o.Service
}

// Run boots and serves, with the status port open from the first moment to the
// last. It returns nil after a requested stop, and otherwise an error that
// stands for the exit code and that has been logged.
func (b *Lifecycle) Run(ctx context.Context, plan Plan) error {
	began := time.Now()
	b.log.Info(b.options.name()+" starts", append([]any{"version", b.options.version(), "runtime", version.String()}, plan.Facts...)...)
	b.warnOfLittleMemory(cgroup.Here())
	b.raiseFileLimit()
	b.plan(plan)
	defer func() { b.port.Close() }() //nolint:contextcheck // it closes after ctx has ended
	if err := b.prepare(ctx, plan.Config); err != nil {
		return b.end(ctx, StageConfig, err)
	}
	defer b.clearMarkers()
	for _, s := range plan.Stages {
		if err := b.runStage(ctx, s); err != nil {
			return b.end(ctx, s.Name, err)
		}
	}
	if plan.Serve != nil {
		if err := plan.Serve(ctx); err != nil {
			return b.end(ctx, plan.Serving[0], err)
		}
	}
	b.Update(func(d *report.Document) { d.State = report.Done })
	b.log.Info(b.options.name()+" is done", "took", time.Since(began))
	return nil
}

// plan shows in the report what is to come.
func (b *Lifecycle) plan(plan Plan) {
	b.changes = map[string]bool{}
	for _, s := range plan.Stages {
		b.changes[s.Name] = s.Changes
	}
	b.Update(func(d *report.Document) {
		for _, s := range plan.Stages {
			d.Stages = append(d.Stages, report.Stage{Name: s.Name, State: report.Pending})
		}
		for _, name := range plan.Serving {
			d.Stages = append(d.Stages, report.Stage{Name: name, State: report.Pending})
		}
	})
}

// prepare checks the settings, forgets what an earlier run left behind, makes
// sure that readiness can be said at the end, and opens the status port.
func (b *Lifecycle) prepare(ctx context.Context, config func(context.Context) (string, error)) error {
	finish := b.Begin(StageConfig)
	detail, err := config(ctx)
	if err == nil {
		err = CheckRunDir(b.options.Settings.RunDir)
	}
	if err == nil {
		b.claimRunDir()
		b.clearMarkers()
		err = b.openStatusPort()
	}
	finish(detail, err)
	return err
}

// clearMarkers is done at the start and at the end: who looks at the markers
// next may do so before the next start.
func (b *Lifecycle) clearMarkers() {
	if err := b.clear(); err != nil {
		b.log.Warn("cannot remove the marker files", "error", err)
	}
}

// CheckRunDir proves that the run folder can be written to. A full disk may have
// room again at the next start; for the rest the folder is the wrong one.
func CheckRunDir(folder string) error {
	err := writable.Check(folder)
	if err == nil {
		return nil
	}
	failure := report.Explain("", err)
	if failure.ExitCode != exit.Unavailable {
		failure.ExitCode = exit.Config
	}
	failure.Message = "TALE_RUN_DIR: " + failure.Message
	failure.Fix = append(failure.Fix, "or name another folder in TALE_RUN_DIR")
	return failure.Err(err)
}

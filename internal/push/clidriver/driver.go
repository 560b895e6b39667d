package clidriver

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// Driver pushes with the app's own convex CLI, which bundles the code first.
type Driver struct {
	Log     *slog.Logger
	Client  *backend.Client
	Options convexcli.Options
	Secrets map[string]string // by name; kept from the CLI's environment
	Redact  *redact.Redactor
	Trace   *trace.Trace
	Run     Runner // nil is supervise.Run

	all    bool              // send every module
	output *convexcli.Output // of the latest attempt
}

// Runner runs a process to its end.
type Runner func(context.Context, *slog.Logger, supervise.Process) (End, error)

// End is how a process ended.
type End struct {
	Success bool
	Killed  bool   // by a signal from elsewhere
	Crashed bool   // by a signal that its own code has caused
	Words   string // "exit code 1"
}

func run(ctx context.Context, log *slog.Logger, p supervise.Process) (End, error) {
	status, err := supervise.Run(ctx, log, p)
	return EndOf(status), err
}

// EndOf returns how a process of the CLI ended.
func EndOf(status supervise.Status) End {
	end := End{Success: status.Success(), Words: status.String()}
	if signal := status.Signal(); signal != 0 {
		end.Crashed = supervise.OwnFault(signal)
		end.Killed = !end.Crashed
	}
	return end
}

// Name returns what CONVEX_DEPLOY_DRIVER calls the driver.
func (d *Driver) Name() string { return "cli" }

// Failed does nothing: the CLI can only start again.
func (d *Driver) Failed(diagnosis.Observation, diagnosis.Retry) {}

// SendAll has the next attempts send every module with its source, or no more so.
func (d *Driver) SendAll(all bool) { d.all = all }

// Evidence returns what the CLI printed last, redacted.
func (d *Driver) Evidence() []string {
	if d.output == nil {
		return nil
	}
	return d.output.Evidence()
}

// errRouteGone is the cause of stopping a CLI that would ask six more times, for
// half a minute, for a route that does not exist.
var errRouteGone = errors.New("the backend does not know a route of the push")

// Push runs the CLI once.
func (d *Driver) Push(ctx context.Context) error {
	cli, err := convexcli.Find(d.Options)
	if err == nil {
		err = cli.Check(ctx)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return startFailure(err)
	}
	d.Trace.Begin(backend.StageBundle)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tap, err := startTap(ctx, d.Log, d.Client.BaseURL(), d.Redact, d.Trace, func(*backend.APIError) { cancel(errRouteGone) })
	if err != nil {
		return err
	}
	defer tap.stop()
	d.output = convexcli.NewOutput(d.Log, d.Redact, d.Trace.Stage, strings.NewReplacer(tap.address, d.Client.BaseURL()))
	process := cli.Process(tap.address, d.Client.AdminKey(), d.Secrets, cli.DeployArgs(d.all)...)
	process.Line = d.output.Line
	d.Log.Info("running the convex CLI", "version", cli.Label, "command", d.Redact.Redact(strings.Join(process.Argv, " ")))
	start := d.Run
	if start == nil {
		start = run
	}
	end, err := start(ctx, d.Log, process)
	d.Trace.ProcessEnded()
	return d.verdict(ctx, end, err)
}

// startFailure returns the failure to start the CLI at all.
func startFailure(err error) error {
	condition := diagnosis.ConditionCLINotExecutable
	if exit.Code(err) == exit.NotFound {
		condition = diagnosis.ConditionCLINotFound
	}
	return diagnosis.Observation{Stage: backend.StageBundle, Condition: condition, Message: err.Error()}.Err()
}

// verdict returns how the attempt ended, from the end of the process and from what
// was seen on the wire.
func (d *Driver) verdict(ctx context.Context, end End, err error) error {
	observed, failed := d.Trace.Observed()
	switch code := exit.Code(err); {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errRouteGone):
		return ctx.Err()
	case code == exit.NotFound || code == exit.NotExecutable:
		return startFailure(err)
	case err != nil && ctx.Err() == nil:
		return err
	case end.Success && d.Trace.IsFinished():
		return nil
	case failed:
		return observed.Err()
	case end.Success:
		observed.Condition, observed.Message = diagnosis.ConditionCLIFailed, "it ended with exit code 0 but sent no finish_push: it deployed nothing, or to another backend"
	case end.Killed:
		observed.Condition, observed.Message = diagnosis.ConditionCLIKilled, "the convex CLI was "+end.Words
	case end.Crashed:
		observed.Condition, observed.Message = diagnosis.ConditionCLICrashed, "the convex CLI was "+end.Words
	default:
		observed.Condition, observed.Message = diagnosis.ConditionCLIFailed, d.lastWords(end)
	}
	return observed.Err()
}

// lastWords returns what the CLI printed before it gave up by itself.
func (d *Driver) lastWords(end End) string {
	lines := d.Evidence()
	if len(lines) == 0 {
		return "the convex CLI ended with " + end.Words + " and said nothing"
	}
	return strings.Join(lines, "\n")
}

package push

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// cliDriver pushes with the app's own convex CLI, which bundles the code first.
type cliDriver struct {
	log     *slog.Logger
	client  *Client
	options CLIOptions
	secrets map[string]string
	redact  *Redactor
	trace   *trace

	output *cliOutput // of the latest attempt
	run    cliRun
}

// cliRun runs a process to its end; it is supervise.Run but in tests.
type cliRun func(context.Context, *slog.Logger, supervise.Process) (cliEnd, error)

// cliEnd is how a process ended.
type cliEnd struct {
	success bool
	killed  bool   // by a signal
	words   string // "exit code 1"
}

func runCLI(ctx context.Context, log *slog.Logger, p supervise.Process) (cliEnd, error) {
	status, err := supervise.Run(ctx, log, p)
	return cliEnd{status.Success(), status.Signal() != 0, status.String()}, err
}

// name is what CONVEX_DEPLOY_DRIVER calls the driver.
func (d *cliDriver) name() string { return "cli" }

// failed has nothing to keep: the CLI can only start again.
func (d *cliDriver) failed(Observation, Diagnosis) {}

// evidence is what the CLI printed last, redacted.
func (d *cliDriver) evidence() []string {
	if d.output == nil {
		return nil
	}
	return d.output.evidence()
}

// errRouteGone is the cause of stopping a CLI that would ask six more times, for
// half a minute, for a route that does not exist.
var errRouteGone = errors.New("the backend does not know a route of the push")

// push runs the CLI once.
func (d *cliDriver) push(ctx context.Context) error {
	cli, err := findCLI(d.options)
	if err != nil {
		return startFailure(err)
	}
	d.trace.begin(StageBundle)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tap, err := startTap(ctx, d.log, d.client.BaseURL(), d.trace, func(*APIError) { cancel(errRouteGone) })
	if err != nil {
		return err
	}
	defer tap.stop()
	d.output = newCLIOutput(d.log, d.redact, d.trace.stage, strings.NewReplacer(tap.address, d.client.BaseURL()))
	process := cli.process(tap.address, d.client.AdminKey(), d.secrets, cli.deployArgs()...)
	process.Line = d.output.line
	d.log.Info("running the convex CLI", slog.String("version", cli.label), slog.String("command", d.redact.Redact(strings.Join(process.Argv, " "))))
	end, err := d.run(ctx, d.log, process)
	d.trace.processEnded()
	return d.verdict(ctx, end, err)
}

// startFailure is the failure to start the CLI at all.
func startFailure(err error) error {
	condition := ConditionCLINotExecutable
	if exit.Code(err) == exit.NotFound {
		condition = ConditionCLINotFound
	}
	return &observedError{Observation{Stage: StageBundle, Condition: condition, Message: err.Error()}}
}

// verdict says how the attempt ended, from the end of the process and from what
// was seen on the wire.
func (d *cliDriver) verdict(ctx context.Context, end cliEnd, err error) error {
	observed, failed := d.trace.observed()
	switch code := exit.Code(err); {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errRouteGone):
		return ctx.Err()
	case code == exit.NotFound || code == exit.NotExecutable:
		return startFailure(err)
	case err != nil && ctx.Err() == nil:
		return err
	case end.success && d.trace.isFinished():
		return nil
	case failed:
		return &observedError{observed}
	case end.success:
		observed.Condition, observed.Message = ConditionCLIFailed, "it ended as if all were well, but sent no finish_push: it deployed nothing, or elsewhere"
	case end.killed:
		observed.Condition, observed.Message = ConditionCLIKilled, "the convex CLI was "+end.words
	default:
		observed.Condition, observed.Message = ConditionCLIFailed, d.lastWords(end)
	}
	return &observedError{observed}
}

// lastWords is what the CLI said before it gave up by itself.
func (d *cliDriver) lastWords(end cliEnd) string {
	lines := d.evidence()
	if len(lines) == 0 {
		return "the convex CLI ended with " + end.words + " and said nothing"
	}
	return strings.Join(lines, "\n")
}

package push

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tale-project/tale-runtime/internal/report"
)

// The drivers, as CONVEX_DEPLOY_DRIVER names them.
const (
	driverAuto   = "auto"
	driverNative = "native"
	driverCLI    = "cli"
)

// Options say how functions are pushed.
type Options struct {
	// Driver is native (push a prebuilt request), cli (run the app's convex CLI),
	// or auto: native where the request exists and is usable. "" is auto.
	Driver string
	// Request is the path of the prebuilt push request.
	Request string
	CLI     CLIOptions
	// Timeout limits one attempt, and starts anew whenever the backend's indexes
	// make progress; Longest limits it in any case.
	Timeout, Longest time.Duration
	// Attempts is how often a push is tried in all; 1 when it is smaller.
	Attempts int
	// Force pushes even when the deployment already is what would be pushed.
	Force bool
	// MintKey makes an admin key of the given member; with it a later boot can
	// prove that it has nothing to do (see pushRecord). May be nil.
	MintKey func(member uint64) (string, error)
	// Resync compares and writes the variables again, before a retry of a push
	// that another writer raced. May be nil.
	Resync func(context.Context) error
	// Variables is what the sync before the push has done, for the message of a
	// failure.
	Variables VariableState
	// Secrets, by name, are kept from the CLI's environment and from every text.
	Secrets map[string]string
	// OnChange gets the report at every change of it, from any goroutine; OnRetry
	// gets a failure that another attempt follows. May be nil.
	OnChange func(report.Deploy)
	OnRetry  func(*Failure)

	// For tests: the waits between attempts, and the process of the CLI.
	timer backoff.Timer
	run   cliRun
}

// driver pushes the functions, once per call of push. An error that is no
// *observedError and leaves no failed request in the trace is reported as is.
type driver interface {
	name() string
	push(ctx context.Context) error
	// failed tells the driver what became of the attempt, before the next one.
	failed(o Observation, diagnosis Diagnosis)
	// evidence is what a process said, redacted.
	evidence() []string
}

// Deploy brings the deployment's functions to what the app has. The report says
// what was done, also after an error. The error is a *Failure, or the context's
// own when that ended.
func Deploy(ctx context.Context, log *slog.Logger, client *Client, o Options) (report.Deploy, error) {
	t := newTrace(log, o.OnChange)
	d := &deployment{log: log, client: client, options: o, redact: NewRedactor(o.Secrets), trace: t, began: time.Now()}
	chosen, err := d.choose()
	if err != nil {
		return t.snapshot(), d.failure(err, 1)
	}
	if d.file != nil {
		defer func() { _ = d.file.Close() }()
	}
	t.choose(chosen.name())
	if done := d.skip(ctx, chosen); done {
		return t.snapshot(), nil
	}
	err = d.attempts(ctx, chosen)
	return t.snapshot(), err
}

// deployment is one call of Deploy.
type deployment struct {
	log     *slog.Logger
	client  *Client
	options Options
	redact  *Redactor
	trace   *trace
	file    *RequestFile // of the native driver
	began   time.Time
	attempt int
}

// choose returns the driver. With auto, a request that exists and cannot be used
// makes room for the CLI, if there is one.
func (d *deployment) choose() (driver, error) {
	if d.options.Driver == driverCLI {
		return d.cli(), nil
	}
	err := d.openRequest()
	if err == nil {
		return d.native(), nil
	}
	unusable := &observedError{Observation{Stage: StageBundle, Condition: ConditionRequestUnusable, Message: err.Error()}}
	if d.options.Driver == driverNative {
		return nil, unusable
	}
	if errors.Is(err, fs.ErrNotExist) {
		return d.cli(), nil
	}
	if _, missing := findCLI(d.options.CLI); missing != nil {
		return nil, unusable
	}
	d.log.Warn("the push request is not usable; the convex CLI pushes instead, which takes longer", slog.Any("error", err))
	return d.cli(), nil
}

func (d *deployment) openRequest() error {
	if d.options.Request == "" {
		return fmt.Errorf("no push request is named: %w", os.ErrNotExist)
	}
	file, err := OpenRequestFile(d.options.Request)
	if err != nil {
		return err
	}
	summary, err := file.Check()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	d.file = file
	d.log.Info("using the prebuilt push request", slog.String("file", summary.Path), slog.Int64("bytes", summary.Bytes),
		slog.String("convex", summary.CLIVersion), slog.Int("modules", summary.Modules), slog.Int("components", summary.Components))
	if file.IndexNote != "" {
		d.log.Debug("the request was looked through", slog.String("reason", file.IndexNote))
	}
	for _, warning := range summary.Warnings {
		d.log.Warn(warning)
	}
	return nil
}

func (d *deployment) native() driver {
	return &nativeDriver{
		log: d.log, client: d.client, file: d.file, trace: d.trace, timeout: d.options.Timeout,
		recordKey: recordKey(d.client, d.options.MintKey, d.file.Digest()),
	}
}

func (d *deployment) cli() driver {
	run := d.options.run
	if run == nil {
		run = runCLI
	}
	return &cliDriver{log: d.log, client: d.client, options: d.options.CLI, secrets: d.options.Secrets, redact: d.redact, trace: d.trace, run: run}
}

// skip finds out whether there is anything to push. Only the native driver can
// know before it pushes: the CLI would have to bundle first.
func (d *deployment) skip(ctx context.Context, chosen driver) bool {
	switch {
	case d.file == nil || chosen.name() != driverNative:
		return false
	case d.options.Force:
		d.log.Info("pushing in any case, as CONVEX_FORCE_PUSH asks for")
		return false
	case d.options.MintKey == nil:
		return false
	}
	why := nothingToDo(ctx, d.client, d.file)
	if why != "" {
		d.log.Info("a push is needed", slog.String("reason", d.redact.Redact(why)))
		return false
	}
	const nothing = "the deployment already has these functions, evaluated with these variables"
	d.log.Info("nothing to push", slog.String("reason", nothing), slog.Duration("took", time.Since(d.began)))
	d.trace.skip(nothing, len(d.file.Index.Modules))
	return true
}

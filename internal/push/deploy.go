package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/clidriver"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/nativedriver"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/push/trace"
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
	CLI     convexcli.Options
	// Timeout limits one attempt, and starts anew whenever the backend's indexes
	// make progress; Longest limits it in any case.
	Timeout, Longest time.Duration
	// Attempts is how often a push is tried in all; 1 when it is smaller.
	Attempts int
	// Force pushes even when the deployment already is what would be pushed, and
	// sends every module with its source.
	Force bool
	// MintKey makes an admin key of the given member; with it a later boot can
	// prove that it has nothing to do (see record.go). May be nil.
	MintKey func(member uint64) (string, error)
	// Resync compares and writes the variables again, before a retry of a push
	// that another writer raced, and returns those that differed. May be nil.
	Resync func(context.Context) (differed []string, err error)
	// Variables is what the sync before the push has done, for the message of a
	// failure.
	Variables diagnosis.VariableState
	// Secrets, by name, are kept from the CLI's environment, and from every text where
	// the client has none of its own.
	Secrets map[string]string
	// OnRequest gets the prebuilt request, if one is pushed, while it is open. May be nil.
	OnRequest func(*requestfile.File)
	// OnChange gets the report at every change of it, from any goroutine; OnRetry
	// gets a failure that another attempt follows. May be nil.
	OnChange func(trace.Deploy)
	OnRetry  func(*diagnosis.Failure)

	// For tests: the waits between attempts, and the process of the CLI.
	timer  backoff.Timer
	run    clidriver.Runner
	remind time.Duration
}

// driver pushes the functions, once per call of Push. An error that is no
// *diagnosis.Error and leaves no failed request in the trace is reported as is.
type driver interface {
	Name() string
	Push(ctx context.Context) error
	// SendAll has the next attempts send every module with its source, or no more so.
	SendAll(all bool)
	// Failed reports the failed attempt to the driver, before the next one.
	Failed(o diagnosis.Observation, retry diagnosis.Retry)
	// Evidence returns what a process printed, redacted.
	Evidence() []string
}

// Deploy brings the deployment's functions to what the app has. The report says
// what was done, also after an error. The error is a *diagnosis.Failure, or the
// context's own when that ended.
func Deploy(ctx context.Context, log *slog.Logger, client *backend.Client, o Options) (trace.Deploy, error) {
	t := trace.New(log, o.OnChange)
	d := &deployment{log: log, client: client, options: o, redact: cmp.Or(client.Secrets, redact.New(o.Secrets)), trace: t, began: time.Now()}
	chosen, err := d.choose()
	if err != nil {
		return t.Snapshot(), d.failure(err, 1)
	}
	if d.file != nil {
		defer func() { _ = d.file.Close() }()
		if o.OnRequest != nil {
			o.OnRequest(d.file)
		}
	}
	t.Choose(chosen.Name())
	if done := d.skip(ctx, chosen); done {
		return t.Snapshot(), nil
	}
	err = d.attempts(ctx, chosen)
	return t.Snapshot(), err
}

// deployment is one call of Deploy.
type deployment struct {
	log     *slog.Logger
	client  *backend.Client
	options Options
	redact  *redact.Redactor
	trace   *trace.Trace
	file    *requestfile.File // of the native driver
	began   time.Time
	attempt int
	ran     string // what has shown that functions run, before a push was skipped
	doubted bool   // a retry has sent every module
	races   int
	raced   []string // variables that had changed between attempts
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
	unusable := diagnosis.Observation{Stage: backend.StageBundle, Condition: diagnosis.ConditionRequestUnusable, Message: err.Error()}.Err()
	if d.options.Driver == driverNative {
		return nil, unusable
	}
	if errors.Is(err, fs.ErrNotExist) {
		return d.cli(), nil
	}
	if _, missing := convexcli.Find(d.options.CLI); missing != nil {
		return nil, unusable
	}
	d.log.Warn("the push request is not usable; the convex CLI pushes instead, which takes longer", "error", err)
	return d.cli(), nil
}

func (d *deployment) openRequest() error {
	if d.options.Request == "" {
		return fmt.Errorf("no push request is named: %w", os.ErrNotExist)
	}
	file, err := requestfile.Open(d.options.Request)
	if err != nil {
		return err
	}
	summary, err := file.Check()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	d.file = file
	d.log.Info("using the prebuilt push request", "file", summary.Path, "bytes", summary.Bytes,
		"convex", summary.CLIVersion, "modules", summary.Modules, "components", summary.Components, "component_modules", summary.ComponentModules)
	if file.IndexNote != "" {
		d.log.Debug("the request was looked through", "reason", file.IndexNote)
	}
	for _, warning := range summary.Warnings {
		d.log.Warn(warning)
	}
	return nil
}

func (d *deployment) native() driver {
	return &nativedriver.Driver{
		Log: d.log, Client: d.client, File: d.file, Trace: d.trace, Timeout: d.options.Timeout,
		RecordKey: recordKey(d.client, d.options.MintKey, d.file.Digest()),
	}
}

func (d *deployment) cli() driver {
	return &clidriver.Driver{
		Log: d.log, Client: d.client, Options: d.options.CLI, Secrets: d.options.Secrets,
		Redact: d.redact, Trace: d.trace, Run: d.options.run,
	}
}

// skip finds out whether there is anything to push. Only the native driver can
// know before it pushes: the CLI would have to bundle first.
func (d *deployment) skip(ctx context.Context, chosen driver) bool {
	switch {
	case d.options.Force:
		d.log.Info("pushing every module in any case, as CONVEX_FORCE_PUSH asks for")
		chosen.SendAll(true)
		return false
	case d.file == nil || chosen.Name() != driverNative || d.options.MintKey == nil:
		return false
	}
	why, lost := d.nothingToDo(ctx)
	chosen.SendAll(lost)
	if why != "" {
		d.log.Info("a push is needed", "reason", d.redact.Redact(why))
		return false
	}
	const nothing = "the deployment already has these functions, evaluated with these variables"
	d.log.Info("nothing to push", "reason", nothing, "took", time.Since(d.began))
	d.trace.Skip(nothing, d.ran, len(d.file.Index.Functions()))
	return true
}

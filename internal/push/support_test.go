package push

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/clidriver"
	"github.com/tale-project/tale-runtime/internal/push/convexcli/clitest"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// testDeploy is a deploy against a simulator, with what it logs.
type testDeploy struct {
	Options
	sim    *convexsim.Server
	client *backend.Client
	log    bytes.Buffer
	report trace.Deploy // of the latest run
}

func newTestDeploy(t *testing.T, faults ...fault.Fault) *testDeploy {
	t.Helper()
	sim := simtest.Start(t, convexsim.Options{Faults: faults})
	client := simtest.Client(t, sim)
	return &testDeploy{sim: sim, client: client, Options: Options{Timeout: 30 * time.Second, Longest: time.Minute, Attempts: 1}}
}

// byCLI lets the test binary push the request as the convex CLI would.
func (d *testDeploy) byCLI(t *testing.T, way string) *testDeploy {
	t.Helper()
	d.Driver = driverCLI
	d.CLI = clitest.Options(t, way, clitest.Requesting(pushtest.NewRequest().Write(t)))
	return d
}

func (d *testDeploy) byRequest(t *testing.T) *testDeploy {
	t.Helper()
	d.Driver, d.Request = driverNative, pushtest.NewRequest().Write(t)
	return d
}

func (d *testDeploy) run(ctx context.Context) error {
	var err error
	d.report, err = Deploy(ctx, logging.New(&d.log, logging.FormatConsole, slog.LevelDebug), d.client, d.Options)
	return err
}

// failure runs it where a *Failure must come of it.
func (d *testDeploy) failure(t *testing.T) *diagnosis.Failure {
	t.Helper()
	var failure *diagnosis.Failure
	if err := d.run(t.Context()); !errors.As(err, &failure) {
		t.Fatalf("error %v, want a failure; log:\n%s", err, d.log.String())
	}
	return failure
}

// A CLI whose time is up is stopped while it bundles, with all that it has started.
func TestDeployLimitsTheBundling(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t).byCLI(t, clitest.Lingers)
	description := filepath.Join(t.TempDir(), "description")
	d.CLI.Environ = append(d.CLI.Environ, clitest.Describing(description))
	d.Timeout = 3 * time.Second
	f := d.failure(t)
	if f.Observation.Condition != diagnosis.ConditionStageTimeout || f.Observation.Stage != backend.StageBundle || f.ExitCode() != exit.Temporary {
		t.Errorf("exit code %d, %+v", f.ExitCode(), f.Observation)
	}
	if err := syscall.Kill(-clitest.AwaitDescription(t, description).Group, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the group is still there: %v", err)
	}
}

// inProcess stands for running the CLI where a process would only cost time. Like
// a process it can be stopped at any moment.
func inProcess(ctx context.Context, _ *slog.Logger, p supervise.Process) (clidriver.End, error) {
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- clitest.Push(p.Env, &out) }()
	select {
	case <-ctx.Done():
		return clidriver.End{Killed: true, Words: "killed by SIGTERM"}, ctx.Err()
	case err := <-ended:
		for line := range bytes.Lines(out.Bytes()) {
			p.Line(supervise.Stderr, bytes.TrimSpace(line))
		}
		return clidriver.End{Success: err == nil, Words: "an exit code"}, nil
	}
}

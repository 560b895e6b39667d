package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/trace"
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
	client, err := backend.NewClient(sim.URL(), sim.AdminKey())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &testDeploy{sim: sim, client: client, Options: Options{Timeout: 30 * time.Second, Longest: time.Minute, Attempts: 1}}
}

// byCLI lets the test binary push the request as the convex CLI would.
func (d *testDeploy) byCLI(t *testing.T, mode string, environ ...string) *testDeploy {
	t.Helper()
	d.Driver = driverCLI
	d.CLI = fakeCLIOptions(t, mode, append(environ, fakeCLIFile+"="+pushtest.NewRequest().Write(t))...)
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

// failure is run where a *Failure must come of it.
func (d *testDeploy) failure(t *testing.T) *diagnosis.Failure {
	t.Helper()
	var failure *diagnosis.Failure
	if err := d.run(t.Context()); !errors.As(err, &failure) {
		t.Fatalf("error %v, want a failure; log:\n%s", err, d.log.String())
	}
	return failure
}

func TestCLIDriverDeploys(t *testing.T) {
	d := newTestDeploy(t).byCLI(t, "deploy")
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err, d.log.String())
	}
	state := d.sim.State()
	if got := d.report.Sent(); got != "3 of 3 modules sent" {
		t.Errorf("report: %s", got)
	}
	if state.Pushes != 1 || len(state.Definitions[""].Modules) == 0 || len(state.Definitions["counter"].Modules) == 0 {
		t.Errorf("%+v", state)
	}
	for _, want := range []string{
		"convex | - Deploying to " + d.sim.URL(),
		"convex | ✔ Deployed Convex functions to " + d.sim.URL(), "stage=start_push",
	} {
		if !strings.Contains(d.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, d.log.String())
		}
	}
}

func TestCLIDriverStartsTheCLIWithoutSecretsInItsArguments(t *testing.T) {
	output := filepath.Join(t.TempDir(), "description")
	d := newTestDeploy(t).byCLI(t, "deploy",
		fakeCLIOutput+"="+output, "CONVEX_DEPLOYMENT=prod:elsewhere", "CONVEX_DEPLOY_KEY=prod:other|00", "HTTPS_PROXY=http://proxy.invalid",
		"VERCEL=1", "CONVEX_VERBOSE=1", "ENCRYPTION_SECRET_HEX=canary-4711", "SHORT=abc", "KEPT=yes")
	d.Secrets = map[string]string{"ENCRYPTION_SECRET_HEX": "canary-4711", "OTHER": "abc"}
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err, d.log.String())
	}
	var got description
	data, err := os.ReadFile(output)
	if err != nil || json.Unmarshal(data, &got) != nil {
		t.Fatal(err)
	}
	if want := []string{"deploy", "--typecheck", "disable", "--codegen", "disable", "-y"}; !slices.Equal(got.Args, want) {
		t.Errorf("arguments %q", got.Args)
	}
	for _, want := range []string{
		"CI=1", "KEPT=yes", "SHORT=abc", "CONVEX_SELF_HOSTED_ADMIN_KEY=" + d.sim.AdminKey(),
		"CONVEX_DEPLOYMENT=", "CONVEX_DEPLOY_KEY=", "CONVEX_DEPLOYMENT_TOKEN=", "HTTPS_PROXY=", "VERCEL=", "CONVEX_VERBOSE=",
	} {
		if !slices.Contains(got.Environ, want) {
			t.Errorf("the environment lacks %s", want)
		}
	}
	if strings.Contains(strings.Join(got.Environ, "\n"), "canary") {
		t.Error("a secret was passed to the CLI")
	}
	if got.Group != got.PID || got.Dir != d.CLI.AppDir {
		t.Errorf("process %d is in group %d and works in %s", got.PID, got.Group, got.Dir)
	}
	if strings.Contains(d.log.String(), d.sim.AdminKey()) {
		t.Error("the admin key is in the log")
	}
}

func TestCLIDriverKillsTheWholeGroup(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]time.Duration{"when it is cancelled": time.Minute, "when its time is up": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := filepath.Join(t.TempDir(), "description")
			d := newTestDeploy(t).byCLI(t, "linger", fakeCLIOutput+"="+output)
			d.Timeout = limit
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- d.run(ctx) }()
			got := awaitDescription(t, output)
			if limit == time.Minute {
				cancel()
			}
			var err error
			select {
			case err = <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("the deploy does not end")
			}
			if kill := syscall.Kill(-got.Group, 0); !errors.Is(kill, syscall.ESRCH) {
				t.Errorf("the group is still there: %v", kill)
			}
			var failure *diagnosis.Failure
			switch {
			case limit == time.Minute && !errors.Is(err, context.Canceled):
				t.Errorf("error %v", err)
			case limit != time.Minute && (!errors.As(err, &failure) || failure.Observation.Condition != diagnosis.ConditionStageTimeout || failure.Observation.Stage != backend.StageBundle || failure.ExitCode() != exit.Temporary):
				t.Errorf("error %+v", err)
			}
		})
	}
}

func awaitDescription(t *testing.T, path string) description {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		var got description
		if data, err := os.ReadFile(path); err == nil && json.Unmarshal(data, &got) == nil {
			return got
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatal("the CLI was not started")
	return description{}
}

func TestCLIDriverExplainsTheEndOfTheCLI(t *testing.T) {
	script := func(content string, mode os.FileMode) []string {
		path := filepath.Join(t.TempDir(), "convex")
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return []string{path}
	}
	for name, c := range map[string]struct {
		mode      string
		command   []string
		condition diagnosis.Condition
		words     string
		exit      int
	}{
		"gives up":       {"give up", nil, diagnosis.ConditionCLIFailed, `Could not resolve "./missing"`, exit.DeployRefused},
		"does nothing":   {"do nothing", nil, diagnosis.ConditionCLIFailed, "sent no finish_push", exit.DeployRefused},
		"is killed":      {"be killed", nil, diagnosis.ConditionCLIKilled, "killed by SIGKILL", exit.Temporary},
		"missing":        {"", []string{"/nonexistent/convex"}, diagnosis.ConditionCLINotFound, "no such file", exit.NotFound},
		"not in PATH":    {"", []string{"no-such-convex"}, diagnosis.ConditionCLINotFound, "not found in PATH", exit.NotFound},
		"no permission":  {"", script("\x7fELF", 0o644), diagnosis.ConditionCLINotExecutable, "permission denied", exit.NotExecutable},
		"not a program":  {"", script("\x00\x01\x02", 0o755), diagnosis.ConditionCLINotExecutable, "exec format error", exit.NotExecutable},
		"a folder":       {"", []string{"/tmp/"}, diagnosis.ConditionCLINotExecutable, "is a folder", exit.NotExecutable},
		"no interpreter": {"", script("#!/nonexistent/sh\n", 0o755), diagnosis.ConditionCLINotFound, "interpreter", exit.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestDeploy(t).byCLI(t, c.mode)
			if c.command != nil {
				d.CLI.Command = c.command
			}
			f := d.failure(t)
			if f.Observation.Stage != backend.StageBundle || f.Observation.Condition != c.condition || !strings.Contains(f.Observation.Message, c.words) || f.ExitCode() != c.exit {
				t.Errorf("%+v, exit %d", f.Observation, f.ExitCode())
			}
			if strings.Contains(d.log.String()+strings.Join(f.Evidence, ""), "sentry") || strings.Contains(d.log.String(), "\x1b") {
				t.Errorf("noise in the log:\n%s", d.log.String())
			}
		})
	}
}

func TestCLIDriverDoesNotWaitForAMissingRoute(t *testing.T) {
	d := newTestDeploy(t, fault.Fault{Stage: fault.StageEvalPush, Status: 404}).byCLI(t, "deploy")
	began := time.Now()
	f := d.failure(t)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	if f.Observation.Stage != backend.StageEvaluatePush || f.Observation.Status != 404 || f.ExitCode() != exit.DeployRefused {
		t.Errorf("%+v", f.Observation)
	}
}

package clidriver

import (
	"bytes"
	"context"
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
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/convexcli/clitest"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m, clitest.Programs())) }

// testDriver is a driver of a CLI that pushes to a simulator, with what it logs.
type testDriver struct {
	Driver
	sim *convexsim.Server
	log bytes.Buffer
}

func newTestDriver(t *testing.T, way string, faults ...fault.Fault) *testDriver {
	t.Helper()
	sim := simtest.Start(t, convexsim.Options{Faults: faults})
	client := simtest.Client(t, sim)
	d := &testDriver{sim: sim}
	log := logging.New(&d.log, logging.FormatConsole, slog.LevelDebug)
	d.Driver = Driver{
		Log: log, Client: client, Trace: trace.New(log, nil), Redact: redact.New(nil),
		Options: clitest.Options(t, way, clitest.Requesting(pushtest.NewRequest().Write(t))),
	}
	return d
}

// observe pushes where that must fail, and returns what was observed.
func (d *testDriver) observe(t *testing.T) diagnosis.Observation {
	t.Helper()
	var observed *diagnosis.Error
	if err := d.Push(t.Context()); !errors.As(err, &observed) {
		t.Fatalf("error %v, want an observation; log:\n%s", err, d.log.String())
	}
	return observed.Observation
}

func TestDriverDeploys(t *testing.T) {
	d := newTestDriver(t, clitest.Deploys)
	if err := d.Push(t.Context()); err != nil {
		t.Fatal(err, d.log.String())
	}
	if got := d.Trace.Snapshot().Sent(); got != "3 of 3 modules sent" {
		t.Errorf("report: %s", got)
	}
	state := d.sim.State()
	if state.Pushes != 1 {
		t.Errorf("%d pushes", state.Pushes)
	}
	for _, component := range []string{"", "counter"} {
		if len(state.Definitions[component].Modules) == 0 {
			t.Errorf("component %q has no modules", component)
		}
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

func TestDriverStartsTheCLIWithoutSecretsInItsArguments(t *testing.T) {
	output := filepath.Join(t.TempDir(), "description")
	d := newTestDriver(t, clitest.Deploys)
	d.Options.Environ = append(d.Options.Environ, clitest.Describing(output),
		"CONVEX_DEPLOYMENT=prod:elsewhere", "CONVEX_DEPLOY_KEY=prod:other|00", "HTTPS_PROXY=http://proxy.invalid",
		"VERCEL=1", "CONVEX_VERBOSE=1", "ENCRYPTION_SECRET_HEX=canary-4711", "SHORT=abc", "KEPT=yes")
	d.Secrets = map[string]string{"ENCRYPTION_SECRET_HEX": "canary-4711", "OTHER": "abc"}
	if err := d.Push(t.Context()); err != nil {
		t.Fatal(err, d.log.String())
	}
	got := clitest.AwaitDescription(t, output)
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
	if got.Group != got.PID {
		t.Errorf("process %d is in group %d", got.PID, got.Group)
	}
	if got.Dir != d.Options.AppDir {
		t.Errorf("it works in %s", got.Dir)
	}
	if strings.Contains(d.log.String(), d.sim.AdminKey()) {
		t.Error("the admin key is in the log")
	}
}

func TestDriverKillsTheWholeGroup(t *testing.T) {
	output := filepath.Join(t.TempDir(), "description")
	d := newTestDriver(t, clitest.Lingers)
	d.Options.Environ = append(d.Options.Environ, clitest.Describing(output))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.Push(ctx) }()
	got := clitest.AwaitDescription(t, output)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := syscall.Kill(-got.Group, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the group is still there: %v", err)
	}
}

func TestDriverExplainsTheEndOfTheCLI(t *testing.T) {
	script := func(content string, mode os.FileMode) []string {
		path := filepath.Join(t.TempDir(), "convex")
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return []string{path}
	}
	for name, c := range map[string]struct {
		way       string
		command   []string
		condition diagnosis.Condition
		words     string
		exit      int
	}{
		"gives up":       {clitest.GivesUp, nil, diagnosis.ConditionCLIFailed, `Could not resolve "./missing"`, exit.DeployRefused},
		"does nothing":   {clitest.DoesNothing, nil, diagnosis.ConditionCLIFailed, "sent no finish_push", exit.DeployRefused},
		"is killed":      {clitest.IsKilled, nil, diagnosis.ConditionCLIKilled, "killed by SIGKILL", exit.Temporary},
		"crashes":        {"", script("#!/bin/sh\nkill -SEGV $$\n", 0o755), diagnosis.ConditionCLICrashed, "killed by SIGSEGV", exit.Temporary},
		"missing":        {"", []string{"/nonexistent/convex"}, diagnosis.ConditionCLINotFound, "no such file", exit.NotFound},
		"not in PATH":    {"", []string{"no-such-convex"}, diagnosis.ConditionCLINotFound, "not found in PATH", exit.NotFound},
		"no permission":  {"", script("\x7fELF", 0o644), diagnosis.ConditionCLINotExecutable, "permission denied", exit.NotExecutable},
		"not a program":  {"", script("\x00\x01\x02", 0o755), diagnosis.ConditionCLINotExecutable, "exec format error", exit.NotExecutable},
		"a folder":       {"", []string{"/tmp/"}, diagnosis.ConditionCLINotExecutable, "is a folder", exit.NotExecutable},
		"no interpreter": {"", script("#!/nonexistent/sh\n", 0o755), diagnosis.ConditionCLINotFound, "interpreter", exit.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestDriver(t, c.way)
			if c.command != nil {
				d.Options.Command = c.command
			}
			o := d.observe(t)
			if o.Stage != backend.StageBundle || o.Condition != c.condition || !strings.Contains(o.Message, c.words) {
				t.Errorf("%+v", o)
			}
			if code := diagnosis.Diagnose(o).Exit; code != c.exit {
				t.Errorf("exit code %d, want %d", code, c.exit)
			}
			said := d.log.String() + strings.Join(d.Evidence(), "")
			if strings.Contains(said, "sentry") || strings.Contains(said, "\x1b") {
				t.Errorf("noise is left in:\n%s", said)
			}
		})
	}
}

func TestDriverDoesNotWaitForAMissingRoute(t *testing.T) {
	d := newTestDriver(t, clitest.Deploys, fault.Fault{Stage: fault.StageEvalPush, Status: 404})
	began := time.Now()
	o := d.observe(t)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s", took)
	}
	if o.Stage != backend.StageEvaluatePush || o.Status != 404 {
		t.Errorf("%+v", o)
	}
}

package push

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/convexcli/clitest"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/trace"
)

// stages returns the requests of a push that the simulator saw.
func (d *testDeploy) stages() []string {
	var seen []string
	for _, r := range d.sim.Requests() {
		if stage, known := backend.StageOfPath(r.Path); known && stage != backend.StageListEnv && stage != backend.StageUpdateEnv {
			seen = append(seen, string(stage))
		}
	}
	return seen
}

// deployedCode returns what a push leaves behind, without what differs from push to push.
func deployedCode(t *testing.T, sim *convexsim.Server) string {
	t.Helper()
	state := sim.State()
	state.LastPush, state.Packages, state.Deployed, state.NextID, state.Pushes = nil, nil, nil, 0, 0
	for path, c := range state.Components {
		c.ID = ""
		state.Components[path] = c
	}
	for i := range state.Schemas {
		state.Schemas[i].ID = ""
	}
	text, err := json.MarshalIndent(state, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func count(list []string, what string) int {
	n := 0
	for _, item := range list {
		if item == what {
			n++
		}
	}
	return n
}

// instantTimer makes waits take no time and notes them.
type instantTimer struct {
	waits []time.Duration
	fire  chan time.Time
}

func (i *instantTimer) Start(wait time.Duration) {
	i.waits = append(i.waits, wait)
	i.fire = make(chan time.Time, 1)
	i.fire <- time.Time{}
}
func (i *instantTimer) Stop()               {}
func (i *instantTimer) C() <-chan time.Time { return i.fire }

func TestDeployLimitsTheTimeWithoutProgress(t *testing.T) {
	t.Parallel()
	indexes := func(n int, each time.Duration) fault.Fault {
		return fault.Fault{Stage: fault.StageStartPush, Indexes: n, IndexTime: each}
	}
	for name, c := range map[string]struct {
		fault     fault.Fault
		longest   time.Duration
		condition diagnosis.Condition
		exit      int
	}{
		"progress":   {indexes(8, 400*time.Millisecond), time.Minute, "", 0},
		"stalled":    {indexes(2, time.Minute), time.Minute, diagnosis.ConditionStalled, exit.Temporary},
		"too long":   {indexes(1000, 100*time.Millisecond), 3 * time.Second, diagnosis.ConditionDeployMax, exit.Temporary},
		"slow stage": {fault.Fault{Stage: fault.StageFinishPush, Hang: true}, time.Minute, diagnosis.ConditionStageTimeout, exit.Temporary},
	} {
		for _, driver := range []string{driverNative, driverCLI} {
			t.Run(name+" "+driver, func(t *testing.T) {
				t.Parallel()
				d := newTestDeploy(t, c.fault).byCLI(t, clitest.Deploys)
				if driver == driverNative {
					d.byRequest(t)
				}
				d.Timeout, d.Longest = 2*time.Second, c.longest
				err := d.run(t.Context())
				if c.condition == "" {
					if err != nil {
						t.Fatal(err, d.log.String())
					}
					if !strings.Contains(d.log.String(), `of 8"`) {
						t.Errorf("the log does not tell the progress:\n%s", d.log.String())
					}
					return
				}
				var f *diagnosis.Failure
				if !errors.As(err, &f) || f.Observation.Condition != c.condition || f.ExitCode() != c.exit || f.Observation.Limit == 0 {
					t.Errorf("%+v", err)
				}
				if c.condition == diagnosis.ConditionStageTimeout && !strings.Contains(f.Report().Message, "of the attempt's 2s") {
					t.Errorf("it says %q", f.Report().Message)
				}
			})
		}
	}
}

// A finish_push whose answer was lost may have been applied, whatever the next
// attempt meets.
func TestALostFinishIsNotForgotten(t *testing.T) {
	d := newTestDeploy(t,
		fault.Fault{Stage: fault.StageFinishPush, Drop: fault.DropHeaders, Times: 1},
		fault.Fault{Stage: fault.StageStartPush, After: 1, Status: 400, Code: "InvalidModules"}).byRequest(t)
	d.Attempts, d.timer = 2, &instantTimer{}
	if f := d.failure(t); !f.Changed.Finishing || f.Observation.Code != "InvalidModules" {
		t.Errorf("%+v, %+v", f.Observation, f.Changed)
	}
}

func TestDeployResyncsAfterARace(t *testing.T) {
	for _, fault := range []fault.Fault{
		{Stage: fault.StageFinishPush, Status: 400, Code: "RaceDetected", Times: 1},
		{Stage: fault.StageFinishPush, Status: 400, Code: "SchemaAlreadyOverwritten", Times: 1},
		{Stage: fault.StageFinishPush, Status: 400, Code: "ConcurrentPush", Times: 1},
		{Stage: fault.StageWaitSchema, Race: true, Times: 1},
		{Stage: fault.StageFinishPush, Status: 503, Code: "CommitterFullError", Times: 1},
	} {
		d := newTestDeploy(t, fault).byRequest(t)
		d.Attempts, d.timer = 2, &instantTimer{}
		resynced := 0
		d.Resync = func(context.Context) ([]string, error) { resynced++; return []string{"B", "A"}, nil }
		if err := d.run(t.Context()); err != nil {
			t.Fatal(fault, err)
		}
		if want := map[bool]int{true: 1}[fault.Status != 503]; resynced != want {
			t.Errorf("%+v: resynced %d times", fault, resynced)
		}
	}
}

// What is raced again and again has a second writer, which is said with what it changed.
func TestARaceForEverNamesWhatChanged(t *testing.T) {
	d := newTestDeploy(t, fault.Fault{Stage: fault.StageFinishPush, Status: 400, Code: "RaceDetected"}).byRequest(t)
	d.Attempts, d.timer = 3, &instantTimer{}
	d.Resync = func(context.Context) ([]string, error) { return []string{"DEBUG_MODE"}, nil }
	text := strings.Join(d.failure(t).Lines(), "\n")
	for _, want := range []string{"race 3 of this push", "had been changed: DEBUG_MODE.", "look for a second writer"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said:\n%s", want, text)
		}
	}
}

// A push that waits says so, and what it says of a first one that fails is true of it.
func TestASilentBackendAndAFirstPush(t *testing.T) {
	d := newTestDeploy(t, fault.Fault{Stage: fault.StageStartPush, Delay: time.Minute}).byRequest(t)
	d.Timeout, d.remind = 500*time.Millisecond, 20*time.Millisecond
	text := strings.Join(d.failure(t).Lines(), "\n")
	if want := "the push waits for the backend's answer stage=start_push for="; !strings.Contains(d.log.String(), want) {
		t.Errorf("%q is not said:\n%s", want, d.log.String())
	}
	if !strings.Contains(text, "it hangs, is overloaded") || !strings.Contains(text, "convex-entrypoint status") {
		t.Errorf("the hang is not among the causes:\n%s", text)
	}
	first := newTestDeploy(t, fault.Fault{Stage: fault.StageWaitSchema, SchemaError: "bad", Table: "notes"}).byRequest(t)
	if cause := first.failure(t).Diagnosis.Cause; !strings.Contains(cause, "nothing had been deployed before") || strings.Contains(cause, "old functions") {
		t.Errorf("a first push: %s", cause)
	}
}

func TestDeployStopsWhenTheResyncFails(t *testing.T) {
	d := newTestDeploy(t, fault.Fault{Stage: fault.StageFinishPush, Status: 400, Code: "RaceDetected"}).byRequest(t)
	d.Attempts, d.timer = 4, &instantTimer{}
	broken := errors.New("cannot list")
	d.Resync = func(context.Context) ([]string, error) { return nil, broken }
	if err := d.run(t.Context()); !errors.Is(err, broken) || count(d.stages(), "finish_push") != 1 {
		t.Errorf("%v after %v", err, d.stages())
	}
}

func TestDeployEndsWithItsContextBetweenAttempts(t *testing.T) {
	d := newTestDeploy(t, fault.Fault{Stage: fault.StageStartPush, Status: 503, Code: "WorkerOverloaded"}).byRequest(t)
	d.Attempts = 4
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	announced := make(chan *diagnosis.Failure, 1)
	d.OnRetry = func(f *diagnosis.Failure) { announced <- f; cancel() }
	began := time.Now()
	if err := d.run(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if f := <-announced; f.Next < time.Second || f.Attempt != 1 || f.Attempts != 4 {
		t.Errorf("%+v", f)
	}
}

// Whoever stops a push wants to know what it has left behind.
func TestAStoppedDeploySaysWhatItChanged(t *testing.T) {
	d := newTestDeploy(t, fault.Fault{Stage: fault.StageFinishPush, Hang: true}).byRequest(t)
	d.Variables = diagnosis.VariablesSynced
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.OnChange = func(now trace.Deploy) {
		if n := len(now.Stages); n > 0 && now.Stages[n-1].Name == string(backend.StageFinishPush) {
			cancel()
		}
	}
	if err := d.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	const want = `stage=finish_push changed="variables: synced; functions: not known, the answer to finish_push is missing"`
	if !strings.Contains(d.log.String(), want) {
		t.Errorf("the log lacks %s:\n%s", want, d.log.String())
	}
}

func TestDeployWaitsLongerEachTime(t *testing.T) {
	d := newTestDeploy(t, fault.Fault{Stage: fault.StageStartPush, Status: 503, Code: "WorkerOverloaded"}).byRequest(t)
	timer := &instantTimer{}
	d.Attempts, d.timer = 4, timer
	f := d.failure(t)
	if f.Attempt != 4 || f.ExitCode() != exit.Temporary || len(timer.waits) != 3 {
		t.Errorf("attempt %d, exit %d, waits %v", f.Attempt, f.ExitCode(), timer.waits)
	}
	for i, wait := range timer.waits {
		first, _ := diagnosis.PaceLoad.Bounds()
		middle := first << i
		if wait < middle*7/10 || wait > middle*13/10 {
			t.Errorf("wait %d is %s", i, wait)
		}
	}
}

func TestDeployChoosesTheDriver(t *testing.T) {
	good := pushtest.NewRequest().Write(t)
	bad := filepath.Join(t.TempDir(), "bad.json")
	pushtest.WriteFile(t, bad, "{}")
	missing := filepath.Join(t.TempDir(), "missing.json")
	none := convexcli.Options{Command: []string{"/nonexistent/convex"}}
	for name, c := range map[string]struct {
		driver, request string
		noCLI           bool
		want            string
		condition       diagnosis.Condition
	}{
		"auto with a request":             {driverAuto, good, false, driverNative, ""},
		"unset with a request":            {"", good, true, driverNative, ""},
		"auto without a request":          {driverAuto, missing, false, driverCLI, ""},
		"auto with a bad request":         {driverAuto, bad, false, driverCLI, ""},
		"auto with a bad request, no CLI": {driverAuto, bad, true, "", diagnosis.ConditionRequestUnusable},
		"auto with nothing":               {driverAuto, missing, true, driverCLI, diagnosis.ConditionCLINotFound},
		"cli with a request":              {driverCLI, good, false, driverCLI, ""},
		"native without a request":        {driverNative, missing, false, "", diagnosis.ConditionRequestUnusable},
		"native with a bad request":       {driverNative, bad, false, "", diagnosis.ConditionRequestUnusable},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestDeploy(t).byCLI(t, clitest.Deploys)
			d.Driver, d.Request = c.driver, c.request
			if c.noCLI {
				d.CLI = none
			}
			done, err := Deploy(t.Context(), logging.Discard(), d.client, d.Options)
			var f *diagnosis.Failure
			if done.Driver != c.want || errors.As(err, &f) != (c.condition != "") || f != nil && f.Observation.Condition != c.condition {
				t.Errorf("driver %q, %v", done.Driver, err)
			}
		})
	}
}

func TestLogsAndFailuresHaveNoSecrets(t *testing.T) {
	const canary = "canary-1234567"
	for _, driver := range []string{driverNative, driverCLI} {
		d := newTestDeploy(t, fault.Fault{Stage: fault.StageFinishPush, Status: 400, Code: "InvalidModules", Message: "near " + canary + " and " + "tale|01" + strings.Repeat("ab", 40)}).byCLI(t, clitest.Deploys)
		if driver == driverNative {
			d.byRequest(t)
		}
		d.Secrets = map[string]string{"BETTER_AUTH_SECRET": canary}
		value := canary
		if err := d.client.UpdateEnv(t.Context(), []backend.EnvUpdate{{Name: "BETTER_AUTH_SECRET", Value: &value}}); err != nil {
			t.Fatal(err)
		}
		f := d.failure(t)
		all := d.log.String() + strings.Join(f.Lines(), "\n") + f.Error() + strings.Join(f.Evidence, "\n")
		for _, secret := range []string{canary, strings.Repeat("ab", 40), d.sim.AdminKey()} {
			if strings.Contains(all, secret) {
				t.Errorf("%s: %q is shown in\n%s", driver, secret, all)
			}
		}
		if !strings.Contains(f.Observation.Message, "near [BETTER_AUTH_SECRET] and") {
			t.Errorf("%s: %q", driver, f.Observation.Message)
		}
	}
}

func TestBothDriversLeaveTheSameDeployment(t *testing.T) {
	native := newTestDeploy(t).byRequest(t)
	if err := native.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	cli := newTestDeploy(t).byCLI(t, clitest.Deploys)
	if err := cli.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := deployedCode(t, native.sim), deployedCode(t, cli.sim); got != want || !strings.Contains(got, "messages.js") {
		t.Errorf("native\n%s\ncli\n%s", got, want)
	}
	want := []string{"get_config_hashes", "start_push", "wait_for_schema", "finish_push"}
	if got := native.stages(); !slices.Equal(got, want) {
		t.Errorf("requests %v", got)
	}
}

func TestDeployRepeatsOnlyTheStageThatFailed(t *testing.T) {
	for _, stage := range []backend.Stage{backend.StageWaitForSchema, backend.StageFinishPush} {
		d := newTestDeploy(t, fault.Fault{Stage: string(stage), Status: 503, Code: "CommitterFullError", Times: 2}).byRequest(t)
		d.Attempts, d.timer = 3, &instantTimer{}
		if err := d.run(t.Context()); err != nil {
			t.Fatal(stage, err)
		}
		seen := d.stages()
		if n := count(seen, "start_push"); n != 1 || count(seen, string(stage)) != 3 {
			t.Errorf("requests %v", seen)
		}
	}
}

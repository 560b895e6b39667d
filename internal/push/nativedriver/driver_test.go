package nativedriver

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/trace"
)

// testDriver is a driver of a small request that pushes to a simulator.
type testDriver struct {
	*Driver
	sim *convexsim.Server
}

func newTestDriver(t *testing.T, request pushtest.Request, faults ...fault.Fault) testDriver {
	t.Helper()
	sim := simtest.Start(t, convexsim.Options{Faults: faults})
	client := simtest.Client(t, sim)
	return testDriver{sim: sim, Driver: &Driver{
		Log: logging.Discard(), Client: client, File: openRequest(t, request), Trace: trace.New(logging.Discard(), nil), Timeout: time.Minute,
	}}
}

// again returns another push, of a request that may be another one, to the same
// deployment.
func (d testDriver) again(t *testing.T, request pushtest.Request) testDriver {
	t.Helper()
	next := *d.Driver
	next.File, next.Trace, next.answer = openRequest(t, request), trace.New(logging.Discard(), nil), nil
	return testDriver{sim: d.sim, Driver: &next}
}

// push must succeed; it returns how many modules were sent.
func (d testDriver) push(t *testing.T) string {
	t.Helper()
	if err := d.Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d.Trace.Snapshot().Sent()
}

// stages returns the requests that the simulator saw.
func (d testDriver) stages() (seen []string) {
	for _, r := range d.sim.Requests() {
		if stage, known := backend.StageOfPath(r.Path); known {
			seen = append(seen, string(stage))
		}
	}
	return seen
}

func TestDriverSendsOnlyWhatChanged(t *testing.T) {
	request := pushtest.NewRequest()
	d := newTestDriver(t, request)
	for _, want := range []string{"3 of 3 modules sent", "0 of 3 modules sent"} {
		if got := d.again(t, request).push(t); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	request.AppDefinition.ChangedModules[0].Source += "// changed"
	if got := d.again(t, request).push(t); got != "1 of 3 modules sent" {
		t.Errorf("after one has changed: %s", got)
	}
}

func TestDriverSendsAllWhenTheHashesAreStale(t *testing.T) {
	for _, code := range []string{"MissingExistingModule", "MissingExistingModuleMetadata", "ExistingModuleHashConflict", "ExistingModuleEnvConflict"} {
		d := newTestDriver(t, pushtest.NewRequest())
		d.push(t)
		if _, err := d.sim.Inject(fault.Fault{Stage: fault.StageStartPush, Status: 409, Code: code, Times: 1}); err != nil {
			t.Fatal(err)
		}
		if got := d.again(t, pushtest.NewRequest()).push(t); got != "3 of 3 modules sent" {
			t.Errorf("%s: %s", code, got)
		}
	}
}

func TestDriverCompressesLargeBodiesUnlessRefused(t *testing.T) {
	request := pushtest.NewRequest()
	request.AppDefinition.ChangedModules[0].Source += strings.Repeat("// a long comment\n", 20_000)
	for name, c := range map[string]struct {
		faults []fault.Fault
		want   []string
	}{
		"decoded": {nil, []string{"br"}},
		"refused": {[]fault.Fault{{Stage: fault.StageStartPush, Status: 415, Times: 1}}, []string{"br", ""}},
	} {
		d := newTestDriver(t, request, c.faults...)
		d.push(t)
		var got []string
		for _, r := range d.sim.Requests() {
			if r.Stage == fault.StageStartPush {
				got = append(got, r.Encoding)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: encodings %q", name, got)
		}
	}
}

// After a failure that may be repeated as it was, only that request is.
func TestDriverGoesOnWhereItFailed(t *testing.T) {
	hashes, start, wait, finish := "get_config_hashes", "start_push", "wait_for_schema", "finish_push"
	for name, c := range map[string]struct {
		stage string
		retry diagnosis.Retry
		want  []string
	}{
		"wait again":   {wait, diagnosis.RetrySame, []string{hashes, start, wait, wait, finish}},
		"finish again": {finish, diagnosis.RetrySame, []string{hashes, start, wait, finish, wait, finish}},
		"start again":  {start, diagnosis.RetrySame, []string{hashes, start, hashes, start, wait, finish}},
		"from the top": {finish, diagnosis.RetryRedo, []string{hashes, start, wait, finish, hashes, start, wait, finish}},
	} {
		d := newTestDriver(t, pushtest.NewRequest(), fault.Fault{Stage: c.stage, Status: 503, Code: "CommitterFullError", Times: 1})
		err := d.Push(t.Context())
		if err == nil {
			t.Fatalf("%s: no failure", name)
		}
		o, _ := d.Trace.Observed()
		d.Failed(o, c.retry)
		d.push(t)
		if got := d.stages(); !slices.Equal(got, c.want) {
			t.Errorf("%s: requests %v", name, got)
		}
	}
}

func TestTraceFollowsThePush(t *testing.T) {
	d := newTestDriver(t, pushtest.NewRequest())
	var states []string
	d.Trace = trace.New(logging.Discard(), func(r trace.Deploy) {
		if n := len(r.Stages); n > 0 {
			states = append(states, r.Stages[n-1].Name+" "+string(r.Stages[n-1].State))
		}
	})
	d.push(t)
	want := []string{
		"get_config_hashes running", "get_config_hashes done", "start_push running", "start_push done",
		"wait_for_schema running", "wait_for_schema done", "finish_push running", "finish_push done",
	}
	if got := slices.Compact(states); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// What something in between answers with status 200 is no deployment.
func TestDriverIsNotContentWithAPage(t *testing.T) {
	for _, page := range []string{"<html>gateway</html>", "{", "[]"} {
		d := newTestDriver(t, pushtest.NewRequest(), fault.Fault{Stage: fault.StageFinishPush, Status: 200, Body: page, Times: 1})
		if err := d.Push(t.Context()); err == nil || !strings.Contains(err.Error(), "it is not the JSON of a Convex backend") {
			t.Errorf("%s: %v", page, err)
		}
		o, _ := d.Trace.Observed()
		if o.Stage != backend.StageFinishPush || o.Condition != diagnosis.ConditionUnexpectedAnswer {
			t.Errorf("%s: %+v", page, o)
		}
	}
}

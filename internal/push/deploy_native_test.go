package push

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

func TestBothDriversLeaveTheSameDeployment(t *testing.T) {
	native := newTestDeploy(t).byRequest(t)
	if err := native.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	cli := newTestDeploy(t).byCLI(t, "deploy")
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

func TestNativeDriverSendsOnlyWhatChanged(t *testing.T) {
	d := newTestDeploy(t).byRequest(t)
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := deployedCode(t, d.sim)
	done, err := Deploy(t.Context(), logging.Discard(), d.client, d.Options)
	if err != nil || done.Sent() != "0 of 3 modules sent" {
		t.Fatalf("%+v, %v", done, err)
	}
	request := pushtest.NewRequest()
	request.AppDefinition.ChangedModules[0].Source += "// changed"
	d.Request = request.Write(t)
	done, err = Deploy(t.Context(), logging.Discard(), d.client, d.Options)
	if err != nil || done.Sent() != "1 of 3 modules sent" || deployedCode(t, d.sim) == before {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestNativeDriverSendsAllWhenTheHashesAreStale(t *testing.T) {
	for _, code := range []string{"MissingExistingModule", "MissingExistingModuleMetadata", "ExistingModuleHashConflict", "ExistingModuleEnvConflict"} {
		d := newTestDeploy(t).byRequest(t)
		if err := d.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := d.sim.Inject(fault.Fault{Stage: fault.StageStartPush, Status: 409, Code: code, Times: 1}); err != nil {
			t.Fatal(err)
		}
		done, err := Deploy(t.Context(), logging.Discard(), d.client, d.Options)
		if err != nil || done.Attempts != 1 || done.Sent() != "3 of 3 modules sent" {
			t.Errorf("%s: %+v, %v", code, done, err)
		}
	}
}

func TestNativeDriverCompressesLargeBodiesUnlessRefused(t *testing.T) {
	request := pushtest.NewRequest()
	request.AppDefinition.ChangedModules[0].Source += strings.Repeat("// a long comment\n", 20_000)
	for name, c := range map[string]struct {
		faults []fault.Fault
		want   []string
	}{
		"decoded": {nil, []string{"br"}},
		"refused": {[]fault.Fault{{Stage: fault.StageStartPush, Status: 415, Times: 1}}, []string{"br", ""}},
	} {
		d := newTestDeploy(t, c.faults...).byRequest(t)
		d.Request = request.Write(t)
		if err := d.run(t.Context()); err != nil {
			t.Fatal(name, err)
		}
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

func TestNativeDriverRepeatsOnlyTheStageThatFailed(t *testing.T) {
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

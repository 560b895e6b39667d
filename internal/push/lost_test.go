package push

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/trace"
)

// losePackages leaves the deployment as a database does that is restored without
// the backend's volume.
func (d *testDeploy) losePackages() {
	_ = os.RemoveAll(filepath.Join(d.sim.Options().Storage, "modules"))
}

// releaseOf returns another release of the app: one module of its own differs.
func releaseOf(n int) pushtest.Request {
	return pushtest.NewRequest().With(func(r *pushtest.Request) {
		r.AppDefinition.ChangedModules[1].Source += fmt.Sprintf("// %d", n)
	})
}

func TestANewReleaseMakesUpForLostPackages(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t).byRequest(t).withRecord()
	d.skipped(t)
	d.losePackages()
	d.Request, d.Attempts, d.timer = releaseOf(1).Write(t), 3, &instantTimer{}
	var met []*diagnosis.Failure
	d.OnRetry = func(f *diagnosis.Failure) { met = append(met, f) }
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err, d.log.String())
	}
	if got := d.report.Sent(); d.report.Attempts != 2 || got != "3 of 3 modules sent" {
		t.Errorf("%d attempts, %s", d.report.Attempts, got)
	}
	if o := met[0].Observation; o.Stage != backend.StageStartPush || o.Code != "InternalServerError" || !strings.Contains(met[0].Diagnosis.Cause, "packages") {
		t.Errorf("%+v: %s", o, met[0].Diagnosis.Cause)
	}
}

// A backend that fails for another reason is given everything once, and hashes
// after that.
func TestEverythingIsSentOnceAfterAFailure(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t).byRequest(t).withRecord()
	d.skipped(t)
	if _, err := d.sim.Inject(fault.Fault{Stage: fault.StageStartPush, Status: 503, Code: "ExecuteFullError"}); err != nil {
		t.Fatal(err)
	}
	d.Request, d.Attempts, d.timer = releaseOf(1).Write(t), 4, &instantTimer{}
	var sent []string
	d.OnRetry = func(*diagnosis.Failure) { sent = append(sent, d.report.Sent()) }
	d.OnChange = func(r trace.Deploy) { d.report = r }
	_ = d.failure(t)
	sent = append(sent, d.report.Sent())
	if got := strings.Join(sent, ", "); got != "1 of 3 modules sent, 3 of 3 modules sent, 1 of 3 modules sent, 1 of 3 modules sent" {
		t.Error(got)
	}
}

func TestAForcedPushSendsEverything(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t).byRequest(t).withRecord()
	d.skipped(t)
	d.losePackages()
	d.Force = true
	if d.skipped(t); d.report.Sent() != "3 of 3 modules sent" || d.report.Attempts != 1 {
		t.Errorf("%d attempts, %s", d.report.Attempts, d.report.Sent())
	}
}

func TestCheckRunning(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t).byRequest(t)
	check := func(want string, condition diagnosis.Condition, status int) {
		t.Helper()
		said, err := CheckRunning(t.Context(), d.client, "")
		var observed *diagnosis.Error
		if errors.As(err, &observed) && (observed.Condition != condition || observed.Status != status) || (err == nil) != (status == 0 && condition == "") || said != want {
			t.Errorf("%q, %v", said, err)
		}
	}
	check("not tried: the app has no public query without arguments", "", 0)
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("messages:list runs", "", 0)
	pause := func(path string) {
		t.Helper()
		if _, err := d.client.Do(t.Context(), backend.Request{Method: "POST", Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	pause("/api/v1/pause_deployment")
	check("", diagnosis.ConditionNotRunning, 0)
	pause("/api/v1/unpause_deployment")
	check("messages:list runs", "", 0)
	d.losePackages()
	check("", "", 500)
}

// What a push that was skipped has seen running is not looked for again, the state is.
func TestWhatASkippedPushHasSeenIsBelieved(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t).byRequest(t).withRecord()
	if d.skipped(t) || d.report.Ran != "" || !d.skipped(t) {
		t.Fatalf("ran %q", d.report.Ran)
	}
	before := len(d.sim.Requests())
	said, err := CheckRunning(t.Context(), d.client, d.report.Ran)
	if asked := len(d.sim.Requests()) - before; err != nil || said != "messages:list runs" || asked != 1 {
		t.Errorf("%q, %v, %d requests", said, err, asked)
	}
}

// realCLIMakesUpForLostPackages: the CLI sends hashes unless it is told otherwise.
func realCLIMakesUpForLostPackages(t *testing.T, app convexcli.Options) {
	d := realDeploy(t, app)
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err, d.log.String())
	}
	d.losePackages()
	d.Attempts, d.timer = 2, &instantTimer{}
	if err := d.run(t.Context()); err != nil {
		t.Fatal(err, d.log.String())
	}
	if all := fmt.Sprintf("%d of %[1]d modules sent", d.report.Modules); d.report.Attempts != 2 || d.report.Sent() != all || d.report.Modules < 7 {
		t.Errorf("%d attempts, %s", d.report.Attempts, d.report.Sent())
	}
}

package push

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestTheRealCLI(t *testing.T) {
	t.Parallel()
	apps := testkit.ConvexCLIs(t)
	for release, version := range slices.Sorted(maps.Keys(apps)) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			// Half of them find their packages above the app, as in a workspace.
			app := realApp(t, apps[version], []string{".", "services/web"}[release%2])
			t.Run("both drivers", func(t *testing.T) { realDriversAgree(t, app) })
			t.Run("lost packages", func(t *testing.T) { realCLIMakesUpForLostPackages(t, app) })
			t.Run("faults", func(t *testing.T) { realCLIMeetsFaults(t, app, release, len(apps)) })
			t.Run("a missing route", func(t *testing.T) { realCLIIsStopped(t, app) })
			if release == len(apps)-1 { // all of them bundle with esbuild, before they ask anything
				t.Run("broken code", func(t *testing.T) { realCLICannotBundle(t, app) })
			}
		})
	}
}

// realApp copies the app into a folder below another one, which has the packages of
// one version.
func realApp(t *testing.T, modules, folder string) convexcli.Options {
	t.Helper()
	root := t.TempDir()
	app := filepath.Join(root, folder)
	if err := os.CopyFS(app, os.DirFS(filepath.Join("..", "convexsim", "testdata", "app"))); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", modules, root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return convexcli.Options{AppDir: app, Environ: append(os.Environ(), "PATH="+testkit.NodePath(t))}
}

func realDeploy(t *testing.T, app convexcli.Options, faults ...fault.Fault) *testDeploy {
	t.Helper()
	d := newTestDeploy(t, faults...)
	d.Driver, d.CLI = driverCLI, app
	d.Timeout, d.Longest = 2*time.Minute, 3*time.Minute // of a machine that has much else to do
	d.set(t, "SITE_URL", "https://example.test")
	return d
}

func realDriversAgree(t *testing.T, app convexcli.Options) {
	cli := realDeploy(t, app)
	remove := strayDotEnv(t, app)
	if err := cli.run(t.Context()); err != nil {
		t.Fatal(err, cli.log.String())
	}
	remove()
	all := cli.report.Modules
	if got := cli.report.Changed; all < 7 || got == nil || *got == 0 {
		t.Errorf("report of the first deploy: %s", cli.report.Sent())
	}
	if err := cli.run(t.Context()); err != nil || cli.report.Sent() != fmt.Sprintf("0 of %d modules sent", all) {
		t.Errorf("%v, report of the second deploy: %s", err, cli.report.Sent())
	}
	request := filepath.Join(t.TempDir(), "push-request.json")
	if err := convexcli.WriteRequest(t.Context(), logging.Discard(), app, request); err != nil {
		t.Fatal(err)
	}
	summary, err := requestfile.Prepare(request)
	if err != nil {
		t.Fatal(err)
	}
	native := realDeploy(t, app)
	native.Driver, native.Request = driverNative, request
	if err := native.run(t.Context()); err != nil {
		t.Fatal(err, native.log.String())
	}
	if got, want := deployedCode(t, native.sim), deployedCode(t, cli.sim); got != want || summary.ComponentModules == 0 {
		t.Errorf("%s\nnative\n%s\ncli\n%s", summary, got, want)
	}
}

// strayDotEnv leaves a file in the app that would lead the CLI elsewhere.
func strayDotEnv(t *testing.T, app convexcli.Options) (remove func()) {
	t.Helper()
	stray := filepath.Join(app.AppDir, ".env")
	pushtest.WriteFile(t, stray, "CONVEX_DEPLOYMENT=prod:elsewhere\nCONVEX_DEPLOY_KEY=prod:elsewhere|00\nHTTP_PROXY=http://127.0.0.1:9\nHTTPS_PROXY=http://127.0.0.1:9\n")
	return func() { _ = os.Remove(stray) }
}

// realCLIIsStopped: the CLI would ask for the route seven times, for half a minute.
func realCLIIsStopped(t *testing.T, app convexcli.Options) {
	d := realDeploy(t, app, fault.Fault{Stage: fault.StageStartPush, Status: 404})
	f := d.failure(t)
	asked := 0
	for _, r := range d.sim.Requests() {
		if r.Stage == fault.StageStartPush {
			asked++
		}
	}
	if f.Observation.Stage != backend.StageStartPush || f.Observation.Status != 404 || asked > 3 {
		t.Errorf("%+v after %d requests", f.Observation, asked)
	}
}

func realCLICannotBundle(t *testing.T, app convexcli.Options) {
	broken := filepath.Join(app.AppDir, "convex", "broken.ts")
	pushtest.WriteFile(t, broken, `import { nothing } from "./missing"; export { nothing };`)
	defer func() { _ = os.Remove(broken) }()
	f := realDeploy(t, app).failure(t)
	if f.Observation.Stage != backend.StageBundle || f.Observation.Condition != diagnosis.ConditionCLIFailed || !strings.Contains(f.Observation.Message, "./missing") {
		t.Errorf("%+v", f.Observation)
	}
	if err := convexcli.WriteRequest(t.Context(), logging.Discard(), app, filepath.Join(t.TempDir(), "r.json")); err == nil || !strings.Contains(err.Error(), "./missing") {
		t.Errorf("%v", err)
	}
}

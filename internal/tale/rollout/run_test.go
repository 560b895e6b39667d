package rollout_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const all = "convex db platform-blue proxy"

// want compares what serves, and what runs.
func (h *host) want(serving, running string) {
	h.t.Helper()
	if got := h.serving(); got != serving {
		h.t.Errorf("serves: %s, want %s", got, serving)
	}
	if got := h.running(); got != running {
		h.t.Errorf("runs: %s, want %s", got, running)
	}
}

func TestDeployUpgradeAndBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.want("platform-blue 1.0.0", all)
	h.mustDeploy("1.0.1")
	h.want("platform-green 1.0.1", strings.Replace(all, "blue", "green", 1))
	if err := h.deploy(t.Context(), "1.0.0", rollout.Scope{Rollback: true}); err != nil {
		t.Fatal(err)
	}
	h.want("platform-blue 1.0.0", all)
	if plan, _ := h.plan("1.0.0", rollout.Scope{}); !plan.Empty() {
		t.Errorf("a second run has something to do: %+v", plan)
	}
}

func TestServicesStartInTheirOrder(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	containers, err := h.engine.Containers(t.Context(), compose.Projects("p")...)
	if err != nil {
		t.Fatal(err)
	}
	started := map[string]time.Time{}
	for _, c := range containers {
		started[c.Service] = c.State.Started
	}
	if started["convex"].Before(started["db"]) || started["platform"].Before(started["convex"]) {
		t.Errorf("started: %v", started)
	}
}

// TestGreensThatFail: whatever becomes of the new colour, the old one serves, the new one
// is out of the network before it is stopped, and the evidence is kept without a secret.
func TestGreensThatFail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		life  enginetest.Life
		code  int
		wants []string
	}{
		{"refused", enginetest.Life{Dies: 1, Code: exit.DeployRefused, Log: []string{"FAILED at deploy: SchemaNotOk", "  said     no"}}, exit.DeployRefused, []string{"it ended with exit code 65, which another start would not mend", "SchemaNotOk"}},
		{"badly configured", enginetest.Life{Dies: 1, Code: exit.Config}, exit.Failure, []string{"it ended with exit code 78, which another start would not mend"}},
		{"no permission", enginetest.Life{Dies: 1, Code: exit.NoPermission}, exit.Failure, []string{"it ended with exit code 77, which another start would not mend"}},
		{"dies again and again", enginetest.Life{Dies: 1, Code: 3, Log: []string{"boom"}}, exit.Failure, []string{" times, last with exit code 3", "boom"}},
		{"out of memory", enginetest.Life{Dies: 1, Code: 137, OOM: true}, exit.Failure, []string{"out of memory"}},
		{"unhealthy", enginetest.Life{Healthy: -1, Unhealthy: 3, Says: "no route; docker compose exec platform it"}, exit.Failure, []string{"its health check fails", "health   no route; docker exec p-platform-green it"}},
		{"names others", enginetest.Life{Dies: 1, Code: exit.Config, Log: []string{"FAILED at wait", "  fix      docker compose restart platform", "  fix      docker compose exec convex df -h; docker compose restart db"}}, exit.Failure,
			[]string{"docker restart p-platform-green", "docker exec p-convex df -h; docker restart p-db"}},
		{"hangs", enginetest.Life{Healthy: -1, Says: "not yet"}, exit.Failure, []string{"still not ready", "not yet", "--timeout"}},
		{"cannot start", enginetest.Life{Fails: "exec: no such file"}, exit.Failure, []string{"no such file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.mustDeploy("1.0.0")
			h.SetLife("r/tale-platform:1.0.1", tt.life)
			h.timeout = 2 * time.Second
			err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
			var failed *rollout.FailedError
			if !errors.As(err, &failed) || exit.Code(err) != tt.code || len(failed.Stuck) > 0 {
				t.Fatalf("exit code %d, %v", exit.Code(err), err)
			}
			for _, want := range append(tt.wants, "platform-blue, version 1.0.0, was not touched") {
				if !strings.Contains(failed.Text(), want) {
					t.Errorf("%q is not said: %s", want, failed.Text())
				}
			}
			h.want("platform-blue 1.0.0", all)
			h.wantEvidence("p-platform-green")
			h.wantHiddenFirst()
			h.mustDeploy("1.0.2") // what failed is not in the way
			h.want("platform-green 1.0.2", strings.Replace(all, "blue", "green", 1))
		})
	}
}

// TestTakenBackOnceTheEngineIsThere: while the engine is away, as while it is restarted, a new
// colour cannot be taken out of the network, and it is started again with the engine.
func TestTakenBackOnceTheEngineIsThere(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Dies: 1, Code: exit.Config})
	h.failing = func() { h.Fault("", "*", enginetest.Fault{Drop: true}, 4) }
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
	var failed *rollout.FailedError
	if !errors.As(err, &failed) || len(failed.Stuck) > 0 {
		t.Fatal(err)
	}
	h.Mend()
	h.want("platform-blue 1.0.0", all)
	h.wantHiddenFirst()
}

// TestAFailureThatIsHeld: a container that stays up after a failure that another start
// would not mend is told from one that boots, by its own report and at once.
func TestAFailureThatIsHeld(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Healthy: -1, Log: []string{"FAILED at deploy: SchemaNotOk", "  said     no"}})
	failure := report.New(exit.DeployRefused, "no", "because", "mend it")
	h.reports("1.0.1", failure)
	began := time.Now()
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
	var failed *rollout.FailedError
	if !errors.As(err, &failed) || exit.Code(err) != exit.DeployRefused || !strings.Contains(failed.Text(), "SchemaNotOk") {
		t.Fatalf("exit code %d after %s, %v", exit.Code(err), time.Since(began), err)
	}
	if took := time.Since(began); took > h.timeout/2 {
		t.Errorf("it took %s", took)
	}
	h.want("platform-blue 1.0.0", all)
}

// reports makes the web application of a version say that its boot has failed.
func (h *host) reports(version string, failure report.Failure) {
	h.SetExec(func(container string, command []string, in string) (stdout, stderr string, code int) {
		c, err := h.engine.Inspect(context.Background(), container)
		if err != nil || command[0] != "platform-entrypoint" || c.Version != version {
			return h.exec(container, command, in)
		}
		text, err := json.Marshal(status.Document{Document: report.Document{Service: stack.Platform, State: report.Failed, Failure: &failure}})
		if err != nil {
			return "", err.Error(), 1
		}
		return string(text), "", 0
	})
}

// TestWhatHasFailedIsStartedAgain: what failed for a cause outside its settings, a database
// without rights, is started by the next deploy, which judges that start and none before.
func TestWhatHasFailedIsStartedAgain(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*host){
		"held": func(h *host) {
			h.SetLife("p-convex", enginetest.Life{StopCode: exit.Config})
			h.Sicken("p-convex")
		},
		"not started again yet": func(h *host) {
			h.SetLife("p-convex", enginetest.Life{Backoff: math.MaxInt})
			h.Die("p-convex", exit.Config, false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.mustDeploy("1.0.0")
			h.SetExec(h.held)
			fail(h)
			h.mustDeploy("1.0.1")
			h.want("platform-green 1.0.1", strings.Replace(all, "blue", "green", 1))
		})
	}
}

// held answers for a convex that is held after a failure while its health check fails.
func (h *host) held(container string, command []string, in string) (stdout, stderr string, code int) {
	c, err := h.engine.Inspect(context.Background(), container)
	switch {
	case err != nil || command[0] != "convex-entrypoint":
		return h.exec(container, command, in)
	case c.State.Health != "unhealthy":
		return `{"state": "running"}`, "", 0
	}
	failure := report.New(exit.Config, "no", "because", "mend it")
	text, err := json.Marshal(status.Document{Document: report.Document{Service: stack.Convex, State: report.Failed, Failure: &failure}})
	if err != nil {
		return "", err.Error(), 1
	}
	return string(text), "", 0
}

// TestAWebServerThatCannotStart ends a deploy long before its time is over, with what the
// web server has said.
func TestAWebServerThatCannotStart(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Healthy: -1, Log: []string{"web | error: Module not found \"/app/server.ts\""}})
	var asked atomic.Int64
	h.SetExec(func(container string, command []string, in string) (string, string, int) {
		if command[0] != "platform-entrypoint" {
			return h.exec(container, command, in)
		}
		return fmt.Sprintf(`{"state": "running", "stages": [{"name": "ready", "state": "running"}], "children": [{"name": "web", "restarts": %d, "lastExit": "exit code 1"}]}`, asked.Add(1)), "", 0
	})
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
	var notReady *rollout.NotReadyError
	if !errors.As(err, &notReady) || notReady.Deaths != 3 || !strings.Contains(notReady.Text(), "its web server has ended 3 times, last with exit code 1") ||
		!strings.Contains(notReady.Text(), "Module not found") {
		t.Fatalf("%v, %+v", err, notReady)
	}
	h.want("platform-blue 1.0.0", all)
}

// TestAnOverrideThatTheHostCannotDo is what is looked at where a container cannot be made.
func TestAnOverrideThatTheHostCannotDo(t *testing.T) {
	t.Parallel()
	for override, says := range map[string]bool{"services: {platform: {mem_limit: 1k}}": true, "services: {db: {mem_limit: 1g}}": false} {
		h := newHost(t)
		h.override(override)
		h.SetLife("r/tale-platform:1.0.0", enginetest.Life{Fails: "minimum memory limit allowed is 6MB"})
		err := h.deploy(t.Context(), "1.0.0", rollout.Scope{})
		if err == nil || !strings.Contains(err.Error(), "minimum memory limit") || strings.Contains(err.Error(), "compose.override.yml changes platform, as the plan lists") != says {
			t.Errorf("%s: %v", override, err)
		}
	}
}

// TestWhatIsPausedIsSaid: a service that somebody has paused is named at once, and is not
// what the new release is left to wait for.
func TestWhatIsPausedIsSaid(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.Pause("p-convex")
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
	var failed *rollout.FailedError
	if !errors.As(err, &failed) || !strings.Contains(failed.Text(), "convex did not become ready: it is paused") || !strings.Contains(failed.Text(), "docker unpause p-convex") {
		t.Fatalf("%v", err)
	}
	h.want("platform-blue 1.0.0", all)
}

// TestTheWayOutOfANewerBackend that does not come up is told where it is looked for.
func TestTheWayOutOfANewerBackend(t *testing.T) {
	t.Parallel()
	h := newHostWith(t, func(h *host) {
		for _, version := range []string{"1.0.0", "1.0.1"} {
			h.AddImage(enginetest.Image{Tags: []string{"r/tale-convex:" + version}, HealthCheck: true, Labels: map[string]string{engine.LabelImageVersion: version, "org.opencontainers.image.source": "https://example.com/tale-runtime"}})
		}
	})
	h.SetLife("r/tale-convex:1.0.1", enginetest.Life{Log: []string{"FAILED at config", "  fix      see its own account"}})
	h.mustDeploy("1.0.1")
	h.Pause("p-convex")
	err := h.deploy(t.Context(), "1.0.0", rollout.Scope{})
	var failed *rollout.FailedError
	if !errors.As(err, &failed) || !strings.Contains(failed.Text(), "fix      `tale deploy --all` replaces it by that of 1.0.0") {
		t.Fatalf("%s", failed.Text())
	}
}

// wantHiddenFirst: nothing, such as the reading of a long log, delays that a colour which
// failed can no longer be found.
func (h *host) wantHiddenFirst() {
	h.t.Helper()
	calls := h.Calls()
	index := func(part string) int {
		return slices.IndexFunc(calls, func(call string) bool { return strings.Contains(call, part) })
	}
	if hidden, read := index("/disconnect"), index("/logs"); hidden < 0 || read >= 0 && hidden > read {
		h.t.Errorf("it is hidden by call %d, its log read by %d", hidden, read)
	}
}

// TestGroundThatCannotBeMade: an engine without room for a network is no fault of a stage before.
func TestGroundThatCannotBeMade(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.Fault("POST", "/networks/create", enginetest.Fault{Status: 500, Message: "no"}, 1)
	failed, is := errors.AsType[*rollout.FailedError](h.deploy(t.Context(), "1.0.0", rollout.Scope{}))
	if !is || failed.Stage != "infrastructure" || !strings.Contains(failed.Text(), "nothing was changed") {
		t.Errorf("%+v", failed)
	}
	plan, model := h.plan("1.0.0", rollout.Scope{})
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(signal{})
	failed, is = errors.AsType[*rollout.FailedError](h.run(interrupted, plan, model))
	if !is || !strings.HasPrefix(failed.Text(), "FAILED at the beginning\n  interrupted") {
		t.Errorf("%+v", failed)
	}
}

// TestALogThatNobodyKeeps: a driver of logs that keeps none here costs the log alone.
func TestALogThatNobodyKeeps(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Dies: 1, Code: 3})
	h.Fault("GET", "/containers/*/logs", enginetest.Fault{Status: 501, Message: "configured logging driver does not support reading"}, -1)
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
	failed, is := errors.AsType[*rollout.FailedError](err)
	if !is || !strings.Contains(failed.Text(), "`logging` in compose.override.yml") || strings.Contains(failed.Text(), "has written no log") {
		t.Errorf("%v", err)
	}
	if kept, _ := filepath.Glob(h.project.Path("failed", "*", "*.json")); len(kept) == 0 { // the pattern is well formed
		t.Error("nothing is kept of how the engine saw it")
	}
	// The boot report says what the log would.
	h.SetLife("r/tale-platform:1.0.2", enginetest.Life{Healthy: -1})
	h.reports("1.0.2", report.New(exit.Config, "no number", "because", "mend it"))
	err = h.deploy(t.Context(), "1.0.2", rollout.Scope{})
	if failed, is = errors.AsType[*rollout.FailedError](err); !is || !strings.Contains(failed.Text(), "said     no number") || !strings.Contains(failed.Text(), "fix      mend it") {
		t.Errorf("%v", err)
	}
}

// What root keeps of a failure is for the owner of the project, who reads it.
func TestEvidenceIsTheOwners(t *testing.T) {
	t.Parallel()
	testkit.RequireRoot(t)
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Dies: 1, Code: 3})
	if err := os.Chown(h.project.Dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := h.deploy(t.Context(), "1.0.1", rollout.Scope{}); err == nil {
		t.Fatal("it was deployed")
	}
	kept, _ := filepath.Glob(h.project.Path("failed", "*", "*")) // the pattern is well formed
	for _, path := range append(kept, h.project.Path("failed")) {
		if info, err := os.Stat(path); err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
			t.Errorf("%s is not the owner's: %v", path, err)
		}
	}
	if len(kept) == 0 {
		t.Error("nothing is kept")
	}
}

func (h *host) wantEvidence(containers ...string) {
	h.t.Helper()
	for _, name := range containers {
		for _, ending := range []string{".json", ".log"} {
			if found, err := filepath.Glob(h.project.Path("failed", "*", name+ending)); err != nil || len(found) != 1 {
				h.t.Errorf("%s%s is kept as %q, %v", name, ending, found, err)
			}
		}
	}
	files, err := filepath.Glob(h.project.Path("failed", "*", "*"))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			h.t.Fatal(err)
		}
		if strings.Contains(string(text), "value-of-") {
			h.t.Errorf("%s has the value of a setting", file)
		}
	}
}

// TestALostEventIsMadeUpFor: how often a container died is known all the same.
func TestALostEventIsMadeUpFor(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Dies: 1, Code: 3})
	h.LoseEvents("die", 1000)
	if err := h.deploy(t.Context(), "1.0.1", rollout.Scope{}); err == nil || !strings.Contains(err.Error(), "times") {
		t.Errorf("%v", err)
	}
}

// TestAColourThatTheProxyDoesNotOffer is stopped with its grace: it may have been asked.
func TestAColourThatTheProxyDoesNotOffer(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.blind, h.timeout = true, 3*time.Second
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
	var notOffered *rollout.NotOfferedError
	if !errors.As(err, &notOffered) || exit.Code(err) != exit.Failure {
		t.Fatalf("%v", err)
	}
	h.blind = false
	h.want("platform-blue 1.0.0", all)
	h.wantEvidence("p-platform-green", "p-proxy")
}

// signal is why a context has ended that a stop signal ends.
type signal struct{}

func (signal) Error() string { return "interrupted by a signal" }
func (signal) Unwrap() error { return context.Canceled }

func TestAnInterruptTakesBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Healthy: -1})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		for !strings.Contains(h.running(), "green") {
			time.Sleep(10 * time.Millisecond)
		}
		cancel(signal{})
	}()
	err := h.deploy(ctx, "1.0.1", rollout.Scope{})
	failed, is := errors.AsType[*rollout.FailedError](err)
	if !is || exit.Code(err) != exit.Interrupted || err.Error() != "interrupted by a signal at platform" || !strings.HasPrefix(failed.Text(), "FAILED at platform\n  interrupted by a signal\n") {
		t.Errorf("exit code %d: %v", exit.Code(err), err)
	}
	if !slices.ContainsFunc(h.events, func(e rollout.Event) bool { return e.Kind == rollout.Failed && e.Text == "interrupted by a signal" }) {
		t.Errorf("%+v", h.events)
	}
	h.want("platform-blue 1.0.0", all)
	containers, err := h.engine.Containers(t.Context(), "p-green")
	if err != nil || len(containers) != 0 {
		t.Errorf("%d containers of the new colour are left: %v", len(containers), err)
	}
}

// TestWhatIsReplacedInPlaceIsPutBack: the old image, as it was.
func TestWhatIsReplacedInPlaceIsPutBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-convex:1.0.1", enginetest.Life{Dies: 1, Code: 1})
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{All: true})
	if exit.Code(err) != exit.Failure {
		t.Fatalf("exit code %d: %v", exit.Code(err), err)
	}
	h.want("platform-blue 1.0.0", all)
	containers, err := h.engine.Containers(t.Context(), "p")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		if !strings.HasSuffix(c.Image, ":1.0.0") || c.Version != "1.0.0" {
			t.Errorf("%s is %s of %s", c.Name, c.Version, c.Image)
		}
	}
}

// TestPutBackAfterAKill: a run that was killed has left the compose file of what it was
// about to make, which is not what ran.
func TestPutBackAfterAKill(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	path := h.project.Path("compose", "p.yml")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(file), "1.0.0", "1.0.1")), 0o600); err != nil {
		t.Fatal(err)
	}
	h.SetLife("r/tale-convex:1.0.1", enginetest.Life{Dies: 1, Code: 1})
	if err := h.deploy(t.Context(), "1.0.1", rollout.Scope{All: true}); exit.Code(err) != exit.Failure {
		t.Fatalf("exit code %d: %v", exit.Code(err), err)
	}
	h.want("platform-blue 1.0.0", all)
	if convex, err := h.engine.Inspect(t.Context(), "p-convex"); err != nil || convex.Version != "1.0.0" {
		t.Errorf("convex is %s, %v", convex.Version, err)
	}
}

// TestWhatComposeHasLeftIsSettled: it was killed with the run, while it replaced a container,
// before or after it had removed the one of before.
func TestWhatComposeHasLeftIsSettled(t *testing.T) {
	t.Parallel()
	const left = "0123456789ab_p-db"
	kills := map[string]func(*host) error{
		"before": func(h *host) error {
			h.AddContainer(enginetest.Container{Name: left, Image: "r/tale-db:1.0.1", Labels: map[string]string{
				engine.LabelComposeProject: "p", engine.LabelService: stack.DB, engine.LabelProject: "p",
			}})
			return nil
		},
		"after": func(h *host) error {
			return errors.Join(h.engine.Stop(t.Context(), "p-db", 0), h.engine.Rename(t.Context(), "p-db", left))
		},
	}
	for when, kill := range kills {
		for version, next := range map[string]rollout.Scope{"1.0.0": {}, "1.0.1": {All: true}} {
			t.Run(when+", then "+version, func(t *testing.T) {
				t.Parallel()
				h := newHost(t)
				h.mustDeploy("1.0.0")
				if err := kill(h); err != nil {
					t.Fatal(err)
				}
				if err := h.deploy(t.Context(), version, next); err != nil {
					t.Fatal(err)
				}
				if db, err := h.engine.Inspect(t.Context(), "p-db"); err != nil || db.Version != version || !db.State.Running {
					t.Errorf("the database is of version %s, %v", db.Version, err)
				}
				if c, err := h.engine.Inspect(t.Context(), left); !engine.IsNotFound(err) {
					t.Errorf("%s is left, %v", c.Name, err)
				}
			})
		}
	}
}

// TestWhatCannotBePutBackIsSaid with a code of its own.
func TestWhatCannotBePutBackIsSaid(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.timeout = 2 * time.Second
	h.SetLife("r/tale-convex:1.0.1", enginetest.Life{Healthy: -1})
	h.SetExec(func(container string, command []string, in string) (string, string, int) {
		if command[0] == "convex-entrypoint" { // the new one is asked, and the old one has gone
			h.SetLife("p-convex", enginetest.Life{Dies: 1, Code: 1})
		}
		return h.exec(container, command, in)
	})
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{All: true})
	if exit.Code(err) != exit.Stuck || !strings.Contains(err.Error(), "convex") {
		t.Errorf("exit code %d: %v", exit.Code(err), err)
	}
}

// TestWhatTheEngineHasLostIsMadeAnew: it cannot start what it was killed with.
func TestWhatTheEngineHasLostIsMadeAnew(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	for _, name := range []string{"p-convex", "p-platform-blue"} {
		if err := h.engine.Stop(t.Context(), name, 0); err != nil {
			t.Fatal(err)
		}
		h.Fault(http.MethodPost, "/containers/"+name+"/start", enginetest.Fault{Status: http.StatusConflict, Message: "id already in use"}, 1)
	}
	h.mustDeploy("1.0.0")
	h.want("platform-blue 1.0.0", all)
}

// TestAColourMadeAnewStays when the run is taken back, as one does that was only stopped: it
// is what served before.
func TestAColourMadeAnewStays(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		h := newHost(t)
		h.mustDeploy("1.0.0")
		if err := h.engine.Stop(t.Context(), "p-platform-blue", 0); err != nil {
			t.Fatal(err)
		}
		if lost {
			h.Fault(http.MethodPost, "/containers/p-platform-blue/start", enginetest.Fault{Status: http.StatusConflict, Message: "id already in use"}, 1)
		}
		ctx, cancel := context.WithCancel(t.Context())
		plan, model := h.plan("1.0.0", rollout.Scope{})
		h.visible = func(context.Context, engine.Container) (*site.Visitor, error) {
			if h.running() == all {
				cancel()
			}
			return nil, ctx.Err()
		}
		if err := h.run(ctx, plan, model); exit.Code(err) != exit.Interrupted {
			t.Errorf("lost %t: exit code %d: %v", lost, exit.Code(err), err)
		}
		h.want("platform-blue 1.0.0", all)
	}
}

// TestWhatWasNotReadyIsPutBackSo: no more is expected of it than before.
func TestWhatWasNotReadyIsPutBackSo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.SetLife("p-convex", enginetest.Life{Dies: 1, Code: exit.Config})
	for _, version := range []string{"1.0.0", "1.0.1"} {
		if err := h.deploy(t.Context(), version, rollout.Scope{All: true}); exit.Code(err) != exit.Failure {
			t.Errorf("%s: exit code %d: %v", version, exit.Code(err), err)
		}
	}
}

// TestAStopThatFailsAfterTheSwitch undoes nothing.
func TestAStopThatFailsAfterTheSwitch(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.Fault(http.MethodPost, "/containers/*/stop", enginetest.Fault{Status: http.StatusInternalServerError, Message: "no"}, -1)
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
	var left *rollout.LeftError
	if !errors.As(err, &left) || !strings.Contains(err.Error(), "docker stop") {
		t.Errorf("%v", err)
	}
	h.want("platform-green 1.0.1", "convex db platform-blue platform-green proxy")
}

// TestANewerColourGoesBeforeTheProxyPrefersIt: a run that was killed has left it, and what serves
// is asked for, before the proxy has come to know the other.
func TestANewerColourGoesBeforeTheProxyPrefersIt(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.Fault(http.MethodPost, "/containers/*/stop", enginetest.Fault{Status: http.StatusInternalServerError, Message: "no"}, -1)
	if err := h.deploy(t.Context(), "1.0.1", rollout.Scope{}); err == nil {
		t.Fatal("the older colour was stopped")
	}
	h.Mend()
	h.timeout, h.slow = 2*time.Second, true
	plan, model := h.plan("1.0.0", rollout.Scope{})
	h.slow = false
	if err := h.run(t.Context(), plan, model); err != nil {
		t.Error(err)
	}
	h.want("platform-blue 1.0.0", all)
}

// TestAnyRequestMayFail: whatever the engine does not do once, what served goes on
// serving or the new colour does, and another run reaches the goal, or goes back.
func TestAnyRequestMayFail(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.timeout = 5 * time.Second
	h.mustDeploy("1.0.0")
	requests := map[string]bool{}
	plan, model := h.plan("1.0.1", rollout.Scope{})
	before := len(h.Calls())
	if err := h.run(t.Context(), plan, model); err != nil {
		t.Fatal(err)
	}
	for _, call := range h.Calls()[before:] {
		method, path, _ := strings.Cut(call, " ")
		requests[method+" "+pattern(path)] = true
	}
	next := map[string]string{"platform-green 1.0.1": "1.0.0", "platform-blue 1.0.0": "1.0.1", "platform-blue 1.0.1": "1.0.0", "platform-green 1.0.0": "1.0.1"}
	for request := range requests {
		for _, fault := range []enginetest.Fault{{Status: http.StatusInternalServerError, Message: "no"}, {Drop: true}} {
			serves := h.serving()
			version := next[serves]
			method, path, _ := strings.Cut(request, " ")
			plan, model := h.plan(version, rollout.Scope{})
			h.Fault(method, path, fault, 1)
			err := h.run(t.Context(), plan, model)
			if now := h.serving(); now != serves && !strings.HasSuffix(now, " "+version) {
				t.Errorf("%s fails with %+v: %s served, and then %s: %v", request, fault, serves, now, err)
			}
			goal := version
			if fault.Drop { // or the operator has had enough of it
				_, goal, _ = strings.Cut(serves, " ")
			}
			h.mustDeploy(goal)
			if now := h.serving(); !strings.HasSuffix(now, " "+goal) {
				t.Errorf("%s fails with %+v: the next run leads to %s, not to %s", request, fault, now, goal)
			}
			if running := strings.Fields(h.running()); len(running) != 4 {
				t.Errorf("%s fails with %+v: after the next run there are %q", request, fault, running)
			}
		}
	}
}

// pattern returns a path with a star for what is a name or an id.
func pattern(path string) string {
	parts := strings.Split(path, "/")
	for i := 2; i < len(parts); i += 2 {
		if parts[i] != "json" && parts[i] != "create" {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// TestAColourHasItsServicesNameOnceItIsReady: until then nothing is sent to it.
func TestAColourHasItsServicesNameOnceItIsReady(t *testing.T) {
	t.Parallel()
	h := newHost(t, stack.RAG)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-rag:1.0.1", enginetest.Life{Healthy: -1})
	h.timeout = 2 * time.Second
	if err := h.deploy(t.Context(), "1.0.1", rollout.Scope{}); err == nil {
		t.Fatal("it is never ready, and was taken")
	}
	h.wantNamed("rag", "p-rag-blue")
	h.timeout = 20 * time.Second
	h.mustDeploy("1.0.2")
	h.wantNamed("rag", "p-rag-green")
}

// wantNamed compares who answers to a name in the network.
func (h *host) wantNamed(name, want string) {
	h.t.Helper()
	containers, err := h.engine.Containers(h.t.Context(), compose.Projects("p")...)
	if err != nil {
		h.t.Fatal(err)
	}
	var found []string
	for _, c := range containers {
		if c.State.Running && slices.Contains(c.Aliases["p_internal"], name) {
			found = append(found, c.Name)
		}
	}
	if got := strings.Join(found, " "); got != want {
		h.t.Errorf("%s is %q, want %q", name, got, want)
	}
}

// TestASiteThatDoesNotAnswer: a release that made it so is taken back, a first one stays,
// and what was so before is not its fault.
func TestASiteThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	t.Cleanup(broken.Close)
	whole := httptest.NewServer(http.NotFoundHandler()) // an application may have no page at its root
	t.Cleanup(whole.Close)
	h := newHost(t)
	h.timeout = 3 * time.Second
	asked := broken.URL
	h.visible = func(context.Context, engine.Container) (*site.Visitor, error) {
		return site.New(site.Options{URL: asked}), nil
	}
	if err := h.deploy(t.Context(), "1.0.0", rollout.Scope{}); exit.Code(err) != exit.Degraded || !strings.Contains(err.Error(), "502") {
		t.Errorf("first release: exit code %d: %v", exit.Code(err), err)
	}
	h.want("platform-blue 1.0.0", all)
	h.mustDeploy("1.0.1")
	h.want("platform-green 1.0.1", strings.Replace(all, "blue", "green", 1))
	offered := 0 // calls before it was
	h.visible = func(_ context.Context, proxy engine.Container) (*site.Visitor, error) {
		if strings.HasSuffix(h.serving(), " 1.0.2") {
			offered = cmp.Or(offered, len(h.Calls()))
			return site.New(site.Options{URL: broken.URL}), nil
		}
		return site.New(site.Options{URL: whole.URL}), nil
	}
	if err := h.deploy(t.Context(), "1.0.2", rollout.Scope{}); exit.Code(err) != exit.Failure || !strings.Contains(err.Error(), "502") {
		t.Errorf("a release that breaks the site: exit code %d: %v", exit.Code(err), err)
	}
	h.wantEvidence("p-platform-blue", "p-proxy")
	if i := slices.IndexFunc(h.Calls()[offered:], func(call string) bool { return strings.Contains(call, "/disconnect") }); i >= 0 {
		t.Error("what it has under way is cut off: it may have requests, and is to drain")
	}
	h.want("platform-green 1.0.1", strings.Replace(all, "blue", "green", 1))
	bare := httptest.NewUnstartedServer(http.NotFoundHandler())
	bare.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("there is none yet") }}
	bare.StartTLS()
	t.Cleanup(bare.Close)
	h = newHost(t)
	h.timeout = time.Second
	h.visible = func(context.Context, engine.Container) (*site.Visitor, error) {
		return site.New(site.Options{URL: strings.Replace(bare.URL, "127.0.0.1", "localhost", 1), Connect: bare.Listener.Addr().String()}), nil
	}
	if err := h.deploy(t.Context(), "1.0.0", rollout.Scope{}); exit.Code(err) != exit.Degraded || !strings.Contains(err.Error(), "the proxy has no certificate") || !strings.Contains(err.Error(), "`tale logs proxy` shows") {
		t.Errorf("a proxy without a certificate: exit code %d: %v", exit.Code(err), err)
	}
}

// TestWhatWasBroughtUpIsSaid: a first release that fails at the backend has left the rest.
func TestWhatWasBroughtUpIsSaid(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.SetLife("r/tale-convex:1.0.0", enginetest.Life{Dies: 1, Code: exit.Config})
	err := h.deploy(t.Context(), "1.0.0", rollout.Scope{})
	var failed *rollout.FailedError
	if !errors.As(err, &failed) || !strings.Contains(failed.Text(), "db, proxy and convex did not run before and stay") || strings.Contains(failed.Text(), "nothing was changed") {
		t.Errorf("it says %v", err)
	}
}

// TestDevelopmentThatFails names the commands for it: those for production would start that.
func TestDevelopmentThatFails(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.develops = true
	h.SetLife("r/tale-convex:1.0.0", enginetest.Life{Dies: 1, Code: exit.Config, Log: []string{"FAILED at config", "  fix      docker compose up -d convex; docker compose exec db df -h; docker compose logs db"}})
	err := h.deploy(t.Context(), "1.0.0", rollout.Scope{})
	var failed *rollout.FailedError
	if !errors.As(err, &failed) || !strings.Contains(failed.Text(), "fix      tale start; docker exec p-dev-db df -h; tale logs --dev db") || !strings.Contains(failed.Text(), "the next `tale start` goes on") {
		t.Errorf("it says %v", err)
	}
}

// TestAnAttemptIsNoProgress: a boot that tries the same thing again has not got on, and
// gets no more time.
func TestAnAttemptIsNoProgress(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.0")
	h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Healthy: -1})
	var attempts atomic.Int64
	h.SetExec(func(container string, command []string, in string) (string, string, int) {
		if command[0] != "platform-entrypoint" {
			return h.exec(container, command, in)
		}
		return fmt.Sprintf(`{"stages": [{"name": "config", "state": "done"}, {"name": "wait", "state": "running", "attempts": %d}], "reason": "stage wait: convex at x: refused: docker compose logs convex, docker compose restart convex"}`, attempts.Add(1)), "", 0
	})
	h.timeout = 3 * time.Second
	err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
	var notReady *rollout.NotReadyError
	if !errors.As(err, &notReady) || attempts.Load() < 2 || !strings.Contains(err.Error(), "its boot is at wait (stage 2 of 2): convex at x: refused: docker compose logs convex, docker compose restart convex, attempt ") {
		t.Fatalf("after %d attempts: %v", attempts.Load(), err)
	}
	if notReady.After > 3*h.timeout {
		t.Errorf("it was waited for %s", notReady.After)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.ContainsFunc(h.events, func(e rollout.Event) bool {
		return strings.Contains(e.Text, "tale logs convex, docker restart p-convex")
	}) {
		t.Errorf("what it waits for is not told in tale's words: %+v", h.events)
	}
}

// TestWhatStaysIsNotOfTheRelease: whatever is done to a service that stays at its version,
// it is told the version of its image.
func TestWhatStaysIsNotOfTheRelease(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.mustDeploy("1.0.1")
	h.Die("p-convex", 0, false)
	if err := h.engine.Stop(t.Context(), "p-convex", 0); err != nil {
		t.Fatal(err)
	}
	h.mustDeploy("1.0.0")
	h.wantVersion("p-convex", "1.0.1")
	h.settings = map[string]string{"RUST_LOG": "debug"}
	h.mustDeploy("1.0.0")
	h.wantVersion("p-convex", "1.0.1")
	if c, err := h.engine.Inspect(t.Context(), "p-convex"); err != nil || c.Environment["RUST_LOG"] != "debug" {
		t.Errorf("%q: %v", c.Environment, err)
	}
}

// wantVersion compares what a container is told, and labelled.
func (h *host) wantVersion(container, want string) {
	h.t.Helper()
	c, err := h.engine.Inspect(h.t.Context(), container)
	if err != nil {
		h.t.Fatal(err)
	}
	if c.Version != want || c.Environment[stack.Version] != want || engine.Tag(c.Image) != want {
		h.t.Errorf("%s is of version %s, and told %s, of the image %s", container, c.Version, c.Environment[stack.Version], c.Image)
	}
}

package platform

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestBootToReadyAndStop(t *testing.T) {
	sim := newSim(t)
	e := environ(t, sim.URL(), "BETTER_AUTH_SECRET=canary-a=b=", "DEBUG_MODE=-x\n'\"", "TALE_VERSION=1.2.3", "TALE_COLOUR=green")
	c := start(t, e)
	c.untilReady()
	if got := sim.State().Environment; got["BETTER_AUTH_SECRET"] != "canary-a=b=" || got["DEBUG_MODE"] != "-x\n'\"" || got["TALE_CONFIG_DIR"] != "/app/data" {
		t.Errorf("pushed %v", got)
	}
	if sim.State().Pushes != 1 {
		t.Errorf("%d pushes", sim.State().Pushes)
	}
	if code := c.get("http://" + c.addr + "/readyz"); code != http.StatusOK {
		t.Errorf("/readyz %d", code)
	}
	if header := c.header("http://" + c.addr + "/readyz"); header.Get(health.VersionHeader) != "1.2.3" || header.Get(health.ColourHeader) != "green" {
		t.Errorf("/readyz says %v", header)
	}
	c.stagesDone(stageConfig, stageWait, stageAuth, stageEnv, stageDeploy, stageServe, stageReady)
	c.Signal(syscall.SIGTERM)
	c.Until("drain", func() bool {
		return c.has("platform-shutting-down") && c.get(c.web+stack.PlatformHealth) == http.StatusServiceUnavailable
	})
	if code := c.get("http://" + c.addr + "/readyz"); code != http.StatusServiceUnavailable || c.ready() {
		t.Errorf("while draining: /readyz %d, marker %t", code, c.ready())
	}
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.noLeftovers()
	if c.Says("canary") || c.Says(testSecret) {
		t.Error("a secret is in the log")
	}
}

func (c *container) stagesDone(names ...string) {
	c.t.Helper()
	document := c.status()
	var got []string
	for _, s := range document.Stages {
		if s.State != report.Done {
			c.t.Errorf("stage %s is %s", s.Name, s.State)
		}
		got = append(got, s.Name)
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		c.t.Errorf("stages %v", got)
	}
	if !document.Ready || len(document.Children) != 1 || document.Children[0].Pid == 0 {
		c.t.Errorf("status %+v", document)
	}
}

func TestWarmBootWritesNothing(t *testing.T) {
	sim := newSim(t)
	e := environ(t, sim.URL(), "BETTER_AUTH_SECRET=x")
	if code := start(t, e, "push").Wait(); code != 0 {
		t.Fatalf("first push: exit code %d", code)
	}
	before := len(sim.Requests())
	if code := start(t, e, "push").Wait(); code != 0 {
		t.Fatalf("second push: exit code %d", code)
	}
	for _, r := range sim.Requests()[before:] {
		switch r.Stage {
		case fault.StageEnvUpdate:
			t.Errorf("the second push sent %s", r.Stage)
		}
	}
}

func TestFailuresHaveTheirExitCodes(t *testing.T) {
	free := "http://" + testkit.FreeAddress(t)
	tests := map[string]struct {
		url    string
		faults []fault.Fault
		change []string
		code   int
		log    string
	}{
		"configuration": {url: free, change: []string{"SITE_URL=", "PORT=x", "INSTANCE_SECRET=short"}, code: exit.Config, log: "INSTANCE_SECRET has 5 characters"},
		"both forms":    {url: free, change: []string{"BETTER_AUTH_SECRET=a", "BETTER_AUTH_SECRET_FILE=/b"}, code: exit.Config, log: "BETTER_AUTH_SECRET_FILE"},
		"backend away":  {url: free, change: []string{"CONVEX_WAIT_TIMEOUT=200ms"}, code: exit.Unavailable, log: "raise CONVEX_WAIT_TIMEOUT"},
		"wrong secret":  {change: []string{"INSTANCE_SECRET=" + strings.Repeat("f", 64)}, code: exit.NoPermission, log: "BadAdminKey"},
		"wrong name":    {change: []string{"INSTANCE_NAME=other"}, code: exit.NoPermission, log: testInstance},
		"bad code": {faults: []fault.Fault{{Stage: fault.StageStartPush, Status: 400, Code: "InvalidModules", Message: "Uncaught boom"}},
			code: exit.DeployRefused, log: "Uncaught boom"},
		"passing trouble": {faults: []fault.Fault{{Stage: fault.StageStartPush, Status: 503, Code: "CommitterFullError", Message: "full"}},
			change: []string{"CONVEX_DEPLOY_ATTEMPTS=1"}, code: exit.Temporary, log: "CommitterFullError"},
		"web server not there": {change: []string{"WEB_COMMAND=/nowhere/bun"}, code: exit.NotFound, log: "/nowhere/bun"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			url := tt.url
			if url == "" {
				url = newSim(t, tt.faults...).URL()
			}
			c := start(t, environ(t, url, tt.change...))
			if code := c.Wait(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !c.Says(tt.log) {
				t.Errorf("%q not in the log:\n%s", tt.log, c.Output.String())
			}
			if d := c.status(); d.State != report.Failed || d.Failure == nil || d.Failure.ExitCode != tt.code {
				t.Errorf("report: state %s, failure %+v", d.State, d.Failure)
			}
			c.noLeftovers()
		})
	}
}

func TestWrongSecretPushesNothing(t *testing.T) {
	sim := newSim(t)
	start(t, environ(t, sim.URL(), "INSTANCE_SECRET="+strings.Repeat("f", 64), "DEBUG_MODE=1")).Wait()
	if state := sim.State(); len(state.Environment) > 0 || state.Pushes > 0 {
		t.Errorf("pushed %+v", state)
	}
}

// The health check's output is what an operator sees of a boot that waits.
func TestReadinessTellsWhyABootWaits(t *testing.T) {
	url := "http://" + testkit.FreeAddress(t)
	c := start(t, environ(t, url))
	want := "stage wait: convex at CONVEX_URL=" + url + ": connection refused"
	c.Until(want, func() bool {
		document, err := c.source().Fetch(t.Context())
		return err == nil && strings.HasPrefix(document.Reason, want)
	})
}

// A stop must be acted on at once, whatever the boot is doing.
func TestStopAtEveryStage(t *testing.T) {
	stages := map[string]string{
		fault.StageVersion: stageWait, fault.StageCheckKey: stageAuth, fault.StageEnvList: stageEnv, fault.StageEnvUpdate: stageEnv,
		fault.StageHashes: stageDeploy, fault.StageStartPush: stageDeploy, fault.StageWaitSchema: stageDeploy, fault.StageFinishPush: stageDeploy,
	}
	for request, stage := range stages {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			sim := newSim(t, fault.Fault{Stage: request, Hang: true})
			c := start(t, environ(t, sim.URL(), "DEBUG_MODE=1"))
			c.Until("stage "+stage, func() bool { return c.running(stage, request) })
			began := time.Now()
			c.Signal(syscall.SIGTERM)
			if code := c.Wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("the stop took %s", took)
			}
			c.noLeftovers()
		})
	}
}

// A push that was stopped has not pushed: a job must not count as done.
func TestStoppedPushIsNoSuccess(t *testing.T) {
	sim := newSim(t, fault.Fault{Stage: fault.StageStartPush, Hang: true})
	c := start(t, environ(t, sim.URL()), "push")
	c.Until("start_push", func() bool { return c.running(stageDeploy, fault.StageStartPush) })
	c.Signal(syscall.SIGTERM)
	if code := c.Wait(); code != exit.SignalBase+int(syscall.SIGTERM) {
		t.Errorf("exit code %d", code)
	}
}

// A push in the container of a running platform leaves its files alone.
func TestPushBesideAServingPlatform(t *testing.T) {
	sim := newSim(t)
	e := environ(t, sim.URL())
	serving := start(t, e)
	serving.untilReady()
	if code := start(t, e, "push").Wait(); code != 0 {
		t.Errorf("push: exit code %d", code)
	}
	if document := serving.status(); !serving.ready() || document.State != report.Ready {
		t.Errorf("ready %t, state %s", serving.ready(), document.State)
	}
}

func TestUnwritableRunFolderIsFoundFirst(t *testing.T) {
	sim := newSim(t)
	c := start(t, environ(t, sim.URL(), "TALE_RUN_DIR=/proc/nowhere"))
	if code := c.Wait(); code != exit.Config || len(sim.State().Environment) > 0 {
		t.Errorf("exit code %d, pushed %v", code, sim.State().Environment)
	}
	if !c.Says("TALE_RUN_DIR") {
		t.Error("the variable is not named")
	}
}

// A stopped stage is neither running nor failed in the last report.
func TestReportOfAStoppedBoot(t *testing.T) {
	sim := newSim(t, fault.Fault{Stage: fault.StageEnvList, Hang: true})
	c := start(t, environ(t, sim.URL()))
	c.Until("stage env", func() bool { return c.running(stageEnv, "") })
	c.Signal(syscall.SIGTERM)
	c.Wait()
	for _, s := range c.status().Stages {
		if s.Name == stageEnv && s.State != report.Skipped || s.State == report.Failed {
			t.Errorf("stage %+v", s)
		}
	}
}

// running tells whether a stage is under way, and of a deploy whether it has
// come to the given step of the push.
func (c *container) running(stage, step string) bool {
	document, err := c.source().Fetch(c.t.Context())
	if err != nil {
		return false
	}
	for _, s := range document.Stages {
		if s.Name == stage && s.State == report.Running && stage != stageDeploy {
			return true
		}
	}
	deploy, err := report.Section[trace.Deploy](document.Document, trace.Section)
	if err != nil || deploy == nil {
		return false
	}
	for _, s := range deploy.Stages {
		if s.Name == step && s.State == report.Running {
			return true
		}
	}
	return false
}

func TestWebServerIsRestartedAndReadinessFollows(t *testing.T) {
	c := start(t, environ(t, newSim(t).URL(), "CONVEX_DEPLOY_DRIVER=cli"), "serve")
	c.untilReady()
	child := c.status().Children[0]
	if err := syscall.Kill(child.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.Until("not ready", func() bool { return !c.ready() })
	c.Until("ready again", c.ready)
	if again := c.status().Children[0]; again.Pid == child.Pid || again.Restarts != 1 {
		t.Errorf("child %+v", again)
	}
	c.Signal(syscall.SIGINT)
	c.Signal(syscall.SIGINT)
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.noLeftovers()
}

func TestWebServerNeverSeesTheInstanceSecret(t *testing.T) {
	b := &Boot{session: session{settings: &Settings{}, environ: map[string]string{"INSTANCE_SECRET": testSecret, "OTHER": "x"}}}
	if list := strings.Join(b.webEnviron(), "\n"); strings.Contains(list, testSecret) || !strings.Contains(list, "OTHER=x") {
		t.Errorf("environment %q", list)
	}
}

// Libraries of the web server show URLs and configuration in their errors. A line
// of it may be longer than a piece of the log.
func TestSecretsOfTheWebServerAreNotLogged(t *testing.T) {
	secret := "can/ary+" + rand.Text()
	says := `{"s":"` + strings.ReplaceAll(secret, "/", `\/`) + `"}` + "\n" + "at " + url.QueryEscape(secret) + "\n" + strings.Repeat(".", supervise.MaxLine-12) + secret + "\n"
	c := start(t, environ(t, newSim(t).URL(), "CONVEX_DEPLOY_DRIVER=cli", "BETTER_AUTH_SECRET="+secret, "WEB_SAYS="+says), "serve")
	c.untilReady()
	c.Stop(10 * time.Second)
	if got := c.Output.String(); strings.Count(got, "[BETTER_AUTH_SECRET]") != 4 || strings.Contains(got, "ary+") || strings.Contains(got, secret[8:16]) {
		t.Error(got)
	}
}

// Container engines put the forward proxy of the host into every container. The
// backend is asked at 0.0.0.0, which reaches this machine and, other than 127.0.0.1,
// would be asked by way of a forward proxy.
func TestTheBackendIsAskedDirectly(t *testing.T) {
	sim := newSim(t)
	var changes []string
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		changes = append(changes, name+"=http://127.0.0.1:9")
	}
	c := start(t, environ(t, strings.Replace(sim.URL(), "127.0.0.1", "0.0.0.0", 1), changes...), "push")
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// An app with migrations has them run, unless the settings say something else.
func TestMigrationsRunAfterTheDeploy(t *testing.T) {
	const notice, ran = "the app has data migrations", "the function after the deploy is done"
	for name, tt := range map[string]struct {
		export, set string
		notice, ran bool
	}{
		"has them":       {"runAll", "", true, true},
		"turned off":     {"runAll", "off", false, false},
		"another is set": {"runAll", "messages:list", false, true},
		"has none":       {"runOne", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newSim(t)
			request := writeRequest(t, "var "+tt.export+" = 1;\nexport { "+tt.export+" };")
			text := strings.Replace(testkit.ReadFile(t, request), "extra0.js", "migrations.js", 1)
			if err := os.WriteFile(request, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c := start(t, environ(t, sim.URL(), "CONVEX_PUSH_REQUEST="+request, "CONVEX_RUN_AFTER_DEPLOY="+tt.set), "push")
			if code := c.Wait(); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			if c.Says(notice) != tt.notice || c.Says(ran) != tt.ran {
				t.Errorf("said: %v, ran: %v", c.Says(notice), c.Says(ran))
			}
		})
	}
}

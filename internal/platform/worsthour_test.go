package platform

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What an operator reads of a web server that does not run.
func TestWhatIsSaidOfAWebServer(t *testing.T) {
	for name, tt := range map[string]struct {
		changes []string
		code    int
		says    []string
	}{
		"not there": {[]string{"WEB_COMMAND=bunn server.ts"}, exit.NotFound,
			[]string{"bunn server.ts (WEB_COMMAND) names a program that is not in this container", "correct WEB_COMMAND in " + place.Here().Settings()}},
		"wrong folder": {[]string{"WEB_COMMAND=/bin/true", "CONVEX_APP_DIR=/nowhere"}, exit.Config,
			[]string{"FAILED at config", "said     CONVEX_APP_DIR=/nowhere is not there", "fix      take CONVEX_APP_DIR out of "}},
		"a file for a folder": {[]string{"WEB_COMMAND=/bin/true", "CONVEX_APP_DIR=/etc/passwd"}, exit.Config,
			[]string{"CONVEX_APP_DIR=/etc/passwd is no folder: "}},
		"an assignment": {[]string{"WEB_COMMAND=A=canary node server.mjs"}, exit.Config,
			[]string{"WEB_COMMAND is not a command: it begins with an assignment to A", "write env A=… before the program"}},
		"not executable": {[]string{"WEB_COMMAND=/etc/passwd"}, exit.NotExecutable,
			[]string{"/etc/passwd (WEB_COMMAND) is there and cannot be executed: it has no permission to be executed (mode 0644)", "fix      chmod +x /etc/passwd in the image"}},
		"a folder": {[]string{"WEB_COMMAND=/etc"}, exit.NotExecutable,
			[]string{"/etc (WEB_COMMAND) is there and cannot be executed: it is a folder"}},
		"limits that contradict": {[]string{"CONVEX_DEPLOY_MAX=1m"}, exit.Config,
			[]string{"CONVEX_DEPLOY_MAX 1m0s is less than CONVEX_DEPLOY_TIMEOUT (5m0s)"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, environ(t, newSim(t).URL(), append(tt.changes, "CONVEX_DEPLOY_DRIVER=cli")...), "serve")
			if code := c.Wait(); code != tt.code {
				t.Errorf("exit code %d", code)
			}
			for _, want := range tt.says {
				if !c.Says(want) {
					t.Errorf("%q is not said", want)
				}
			}
		})
	}
}

// A web server that is too big for the container is killed by the kernel, and the log
// names the limit and the setting, from the first kill on; the limit itself is named
// at the start.
func TestAWebServerThatIsTooBig(t *testing.T) {
	e := environ(t, newSim(t).URL(), "CONVEX_DEPLOY_DRIVER=cli", "WEB_COMMAND=tail /dev/zero")
	command := exec.Command("true")
	argv := testkit.InMemory(t, 120<<20, os.Args[0], "serve")
	command.Path, command.Args, command.Env = "/bin/sh", argv, e.List()
	p := testkit.Start(t, command)
	p.Until("the kill is explained", func() bool {
		return strings.Contains(p.Output.String(), "out of memory: the container's memory limit of 120 MiB was reached, so the kernel killed it")
	})
	if !p.Says("the memory of this container does not suffice limit=\"120 MiB\"") {
		t.Error("the limit is not named at the start")
	}
}

// A backend that answers the check of the key with an error of its own, or is none, is
// not said to be away: what it answered is explained as that of a push is.
func TestWhatIsSaidOfABackendThatAnswersWrongly(t *testing.T) {
	sim := newSim(t)
	sim.Inject(fault.Fault{Stage: "check_admin_key", Status: 500, Code: "InternalServerError", Message: "boom"})
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>It works!</html>") }))
	t.Cleanup(page.Close)
	for name, tt := range map[string]struct {
		url  string
		says []string
	}{
		"trouble of its own": {sim.URL(), []string{
			"said     cannot use convex at CONVEX_URL=" + sim.URL() + ": gave up after", "the last answer was: GET /api/check_admin_key: 500 Internal Server Error InternalServerError: boom",
			"cause    The backend has trouble of its own", "df -h /app/data",
		}},
		"a web page": {page.URL, []string{
			"a web page, not an answer of a Convex backend", "cause    Something answered that is not a Convex backend", "fix      let CONVEX_URL name the backend's own port",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, environ(t, tt.url, "CONVEX_WAIT_TIMEOUT=3s"))
			if code := c.Wait(); code != exit.Unavailable {
				t.Errorf("exit code %d", code)
			}
			for _, want := range append(tt.says, "FAILED at auth", "raise CONVEX_WAIT_TIMEOUT (now 3s) if it only needs longer") {
				if !c.Says(want) {
					t.Errorf("%q is not said", want)
				}
			}
			if c.Says("cannot reach") {
				t.Error("it is said not to be reached")
			}
		})
	}
}

// The health check of a web server that does not take traffic says what it does instead.
func TestWhatTheHealthSaysOfAWebServer(t *testing.T) {
	ends := start(t, environ(t, newSim(t).URL(), "CONVEX_DEPLOY_DRIVER=cli", "WEB_COMMAND=sh -c 'echo cannot open config; exit 3'"), "serve")
	ends.Until("it is started again", func() bool {
		return strings.HasPrefix(ends.reason(), "web ended: exit code 3; it is started again in ") && strings.Contains(ends.reason(), "its own lines in the log say why")
	})
	ends.Expect("WARN  web does not run cause=\"sh -c echo cannot open config; exit 3 (WEB_COMMAND) ends by itself; its own output above says why; it runs in ")
	ends.Expect("fix=\"read its last lines: " + place.Here().Log("platform") + " | grep 'web |'\"")
}

func (c *container) reason() string {
	document, err := c.source().Fetch(c.t.Context())
	if err != nil {
		return ""
	}
	return document.Reason
}

// A web server that runs and answers wrongly is not said to be silent.
func TestWhatTheHealthSaysOfAWrongAnswer(t *testing.T) {
	t.Parallel()
	c := start(t, environ(t, newSim(t).URL(), "WEB_STATUS=401"))
	c.Until("what it answers", func() bool {
		return c.reason() == "the web server is not healthy at /api/health: HTTP status 401"
	})
	c.Expect("WARN  the web server runs and is not healthy")
	c.Expect("reason=\"HTTP status 401\"")
}

// A file with a secret that Windows has written, or that is not there, is named as that,
// and its setting is not said to be missing besides.
func TestWhatIsSaidOfAFileWithASecret(t *testing.T) {
	for name, tt := range map[string]struct{ content, says string }{
		"a byte order mark": {"\ufeff" + testSecret + "\r\n", "which begins with a byte order mark; accepted: the value alone, in UTF-8"},
		"UTF-16":            {"\xff\xfea\x00b\x00", "which is UTF-16; accepted: the value alone, in UTF-8"},
		"nothing":           {"\n", "which is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			c := start(t, environ(t, "http://127.0.0.1:1", "INSTANCE_SECRET=", "INSTANCE_SECRET_FILE="+file))
			if code := c.Wait(); code != exit.Config {
				t.Errorf("exit code %d", code)
			}
			if want := "said     cannot use the configuration: INSTANCE_SECRET_FILE names the file " + file + ", " + tt.says; !c.Says(want) {
				t.Errorf("%q is not said", want)
			}
			if c.Says("INSTANCE_SECRET is not set") || c.Says(testSecret) {
				t.Error("the setting is said to be missing, or its value is shown")
			}
		})
	}
}

// Limits of the container are named as such, and not taken for a broken disk.
func TestWhatIsSaidOfLimits(t *testing.T) {
	for limit, want := range map[string]string{
		"ulimit -f 1":  "cause    a limit on the size of files is less than 4 KiB",
		"ulimit -n 16": "cause=\"the container has a limit that leaves no room for ",
	} {
		t.Run(limit, func(t *testing.T) {
			e := environ(t, newSim(t).URL(), "CONVEX_DEPLOY_DRIVER=cli")
			command := exec.Command("sh", "-c", limit+` && exec "$0" serve`, os.Args[0])
			command.Env = e.List()
			p := testkit.Start(t, command)
			p.Until("the limit is named", func() bool { return p.Says(want) })
		})
	}
}

// A web server that puts itself into the background has ended, for all that is known of it.
func TestWhatIsSaidOfAWebServerInTheBackground(t *testing.T) {
	c := start(t, environ(t, newSim(t).URL(), "CONVEX_DEPLOY_DRIVER=cli", "WEB_COMMAND=sh -c 'sleep 1 & exit 0'"), "serve")
	c.Until("it is explained", func() bool {
		return c.Says("WARN  web does not run cause=") && c.Says("or put itself into the background, where nothing keeps it") && c.Says("have it stay in the foreground")
	})
}

// A function after the deploy that fails is named with the setting that names it.
func TestWhatIsSaidOfAFunctionAfterTheDeploy(t *testing.T) {
	sim := newSim(t)
	sim.Inject(fault.Fault{Stage: "function", Message: "Could not find function for 'nope:fn'."})
	c := start(t, environ(t, sim.URL(), "CONVEX_RUN_AFTER_DEPLOY=nope:fn"), "push")
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !c.Says("WARN  the function after the deploy failed; the platform goes on function=nope:fn") || !c.Says("CONVEX_RUN_AFTER_DEPLOY names a pushed function") {
		t.Error("the setting is not named")
	}
}

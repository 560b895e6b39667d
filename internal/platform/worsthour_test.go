package platform

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
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
			[]string{"bunn server.ts (WEB_COMMAND) names a program that is not in this container", "correct WEB_COMMAND in .env"}},
		"wrong folder": {[]string{"WEB_COMMAND=/bin/true", "CONVEX_APP_DIR=/nowhere"}, exit.NotFound,
			[]string{"the working directory /nowhere is not there"}},
		"not executable": {[]string{"WEB_COMMAND=/etc/passwd"}, exit.NotExecutable,
			[]string{"/etc/passwd (WEB_COMMAND) is there and cannot be executed"}},
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

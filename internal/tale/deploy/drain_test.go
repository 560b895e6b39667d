package deploy_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestCtrlCInTheDrain undoes nothing and leaves nothing out: the release serves, and its project's
// folders are delivered.
func TestCtrlCInTheDrain(t *testing.T) {
	server, dir, _ := shopOf(t)
	server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-platform:1.1.1"}, HealthCheck: true})
	testkit.WriteTree(t, dir, map[string]string{"agents/a.json": "1\n"})
	server.Fault("POST", "/containers/*/stop", enginetest.Fault{Slow: time.Second}, 1)
	command := exec.CommandContext(t.Context(), "/proc/self/exe", "--project", dir, "deploy", "--version", "1.1.1")
	command.Env = append(os.Environ(), testkit.RoleVariable+"=tale", "DOCKER_HOST="+server.Host(), "HOME="+t.TempDir())
	p := testkit.Start(t, command)
	p.Until("the old colour drains", func() bool {
		return slices.ContainsFunc(server.Calls(), func(call string) bool { return strings.HasSuffix(call, "/stop") })
	})
	p.Signal(syscall.SIGINT)
	code := p.Wait()
	content, _, delivered := server.File(taletest.Project(t, dir).File.ID+"-convex", "/app/data/agents/a.json")
	if code != 0 || !p.Says("version 1.1.1 serves") || !p.Says("1 project file delivered") || !delivered || content != "1\n" {
		t.Errorf("exit %d, delivered %t %q: %s", code, delivered, content, p.Output.String())
	}
}

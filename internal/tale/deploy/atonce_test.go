package deploy_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestCtrlCTwice, the second time while the first is heeded, says which command mends what stays,
// and that one does.
func TestCtrlCTwice(t *testing.T) {
	for _, format := range []string{"--json=false", "--json"} {
		server, dir, tale := shopOf(t)
		const image = "r.example/x/tale-platform:1.1.1"
		server.AddImage(enginetest.Image{Tags: []string{image}, HealthCheck: true})
		server.SetLife(image, enginetest.Life{Healthy: -1})
		server.Fault("POST", "/containers/*/stop", enginetest.Fault{Hang: true}, 1)
		asked := func(what string) func() bool {
			return func() bool {
				return slices.ContainsFunc(server.Changes(), func(call string) bool { return strings.HasSuffix(call, what) })
			}
		}
		command := exec.CommandContext(t.Context(), "/proc/self/exe", "--project", dir, "deploy", "--version", "1.1.1", format)
		command.Env = append(os.Environ(), testkit.RoleVariable+"=tale", "DOCKER_HOST="+server.Host(), "HOME="+t.TempDir())
		p := testkit.Start(t, command)
		p.Until("the new colour is waited for", asked("-platform-green/start"))
		p.Signal(syscall.SIGINT)
		p.Until("it is taken back", asked("/stop"))
		p.Signal(syscall.SIGINT)
		code := p.Wait()
		again := "`tale --project " + dir + " deploy --version 1.1.1 " + format + "` again mends it\n"
		if said := "tale: ended at once: what has begun is neither finished nor taken back; " + again; code != exit.Interrupted || !p.Says(said) {
			t.Errorf("exit %d, %q", code, p.Output.String())
		}
		if lines := strings.Split(strings.TrimSpace(p.Output.String()), "\n"); format == "--json" && !strings.Contains(lines[len(lines)-1], `"kind":"result"`) {
			t.Errorf("the last line is %q", lines[len(lines)-1])
		}
		server.SetLife(image, enginetest.Life{Healthy: 1})
		tale("deploy", "--version", "1.1.1").Expect(t, 0, "", "version 1.1.1 serves")
	}
}

// TestTheHistoryOfAnInterrupt says what it was and where.
func TestTheHistoryOfAnInterrupt(t *testing.T) {
	server, dir, tale := shopOf(t)
	const image = "r.example/x/tale-platform:1.1.1"
	server.AddImage(enginetest.Image{Tags: []string{image}, HealthCheck: true})
	server.SetLife(image, enginetest.Life{Healthy: -1})
	command := exec.CommandContext(t.Context(), "/proc/self/exe", "--project", dir, "deploy", "--version", "1.1.1", "--json")
	command.Env = append(os.Environ(), testkit.RoleVariable+"=tale", "DOCKER_HOST="+server.Host(), "HOME="+t.TempDir())
	p := testkit.Start(t, command)
	p.Until("the new colour is waited for", func() bool {
		return slices.ContainsFunc(server.Changes(), func(call string) bool { return strings.HasSuffix(call, "-platform-green/start") })
	})
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != exit.Interrupted {
		t.Errorf("exit %d, %q", code, p.Output.String())
	}
	tale("history", "-n", "1").Expect(t, 0, "interrupted by kill (SIGTERM) at platform\n", "")
}

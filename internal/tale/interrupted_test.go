package tale_test

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestCtrlCWhileTheEngineDoesNotAnswer is an interrupt of every command that asks it, and said to
// be one.
func TestCtrlCWhileTheEngineDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir, "--services", "db,convex,platform", "--registry", "r.example/x").Expect(t, 0, "", "")
	testkit.WriteTree(t, dir, map[string]string{"b.tar": "", "migrations/1_a.sql": ""})
	needs := map[string][]string{
		"restore": {dir + "/b.tar"}, "db migrate": {"--dir", dir + "/migrations"}, "logs": {"-f"}, "status": {"--watch", "--json"}, "auth reset-owner": {"--password-stdin"}, "doctor": {"--json"},
	}
	offline := []string{"completion", "config show", "env check", "history", "init", "upgrade", "version"}
	for _, name := range slices.Sorted(maps.Keys(leaves())) {
		if slices.Contains(offline, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := enginetest.New(t)
			server.Fault("GET", "/info", enginetest.Fault{Hang: true}, -1)
			command := exec.CommandContext(t.Context(), "/proc/self/exe", slices.Concat(strings.Fields(name), needs[name], []string{"--project", dir})...)
			command.Env = []string{testkit.RoleVariable + "=tale", "HOME=" + t.TempDir(), "DOCKER_HOST=" + server.Host()}
			command.Stdin = strings.NewReader("secret\n")
			p := testkit.Start(t, command)
			p.Until("it asks", func() bool { return slices.Contains(server.Calls(), "GET /info") })
			p.Signal(syscall.SIGINT)
			want := exit.Interrupted
			if name == "logs" || name == "status" { // it is how they end
				want = 0
			}
			if code := p.Wait(); code != want || p.Says("canceled") || p.Says("signal") || want != 0 && name != "status" && !p.Says("interrupted") {
				t.Errorf("exit %d: %s", code, p.Output.String())
			}
		})
	}
}

// TestCtrlCInAStop is an interrupt in the history, too, as that of a deploy.
func TestCtrlCInAStop(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{"tale.json": `{"version": 1, "id": "shop-1"}`})
	server.AddContainer(enginetest.Container{Name: "shop-1-convex", Image: "x", Project: "shop-1", Service: "convex", Running: true})
	server.Fault("POST", "/containers/*/stop", enginetest.Fault{Hang: true}, -1)
	command := exec.CommandContext(t.Context(), "/proc/self/exe", "stop", "--project", dir)
	command.Env = []string{testkit.RoleVariable + "=tale", "HOME=" + t.TempDir(), "DOCKER_HOST=" + server.Host()}
	p := testkit.Start(t, command)
	p.Until("it stops", func() bool {
		return slices.ContainsFunc(server.Calls(), func(call string) bool { return strings.HasSuffix(call, "/stop") })
	})
	p.Signal(syscall.SIGINT)
	if code := p.Wait(); code != exit.Interrupted {
		t.Errorf("exit %d: %s", code, p.Output.String())
	}
	line.Run(nil, "", "history", "--project", dir).Expect(t, 0, "interrupted (exit 130)", "")
}

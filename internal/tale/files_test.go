package tale_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestFiles(t *testing.T) {
	server := enginetest.New(t)
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{"tale.json": `{"version": 1, "id": "shop-1"}`, "agents/a.json": "1\n", "agents/b.json": "1\n"})
	files := func(args ...string) line.Result {
		t.Helper()
		return line.Run(config.Environ{"DOCKER_HOST": server.Host(), "HOME": folder}, "", append([]string{"files", "--project", folder}, args...)...)
	}
	files().Expect(t, exit.Down, "", "the service convex of shop-1 is not there")
	server.AddContainer(enginetest.Container{Name: "shop-1-convex", Image: "x", Project: "shop-1", Service: "convex", Running: true})
	server.SetFile("shop-1-convex", "/app/data/agents/b.json", "2\n")
	files().Expect(t, 0, "agents/b.json  changed on both sides: stays as the stack has it  +1 -1 lines", "")
	files("push").Expect(t, 0, "1 file written to the stack", "agents/a.json  new")
	files("push", "--json").Expect(t, 0, `"written": []`, "")
	files("push", "--take", "left").Expect(t, exit.Usage, "", `not "left"`)
	files("push", "--take", "stack").Expect(t, 0, "0 files written to the stack, 1 taken over into the project", "changed on both sides: taken over into the project")
	if got := testkit.ReadFile(t, folder+"/agents/b.json"); got != "2\n" {
		t.Errorf("the project has %q", got)
	}
	files("--json").Expect(t, 0, `"changes": []`, "")
	server.SetFile("shop-1-convex", "/app/data/agents/b.json", "3\n")
	files("push", "--take", "host", "--wait").Expect(t, 0, "1 file written to the stack\n", "changed in the stack only: the project's takes its place")
}

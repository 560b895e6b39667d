package tale_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestCompletionOfVersions(t *testing.T) {
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{
		"tale.json":           `{"version": 1, "id": "shop-1"}`,
		".tale/history.jsonl": `{"command": "tale deploy", "version": "1.0.0", "result": "done", "images": {"platform": {"id": "1"}}}` + "\n" + `{"command": "tale deploy", "version": "1.1.0", "result": "done", "images": {"platform": {"id": "2"}}}` + "\n",
	})
	nowhere := config.Environ{"DOCKER_HOST": "unix://" + folder + "/none"} // the history alone tells
	line.Run(nil, "", "__complete", "--project", folder, "deploy", "--version", "").Expect(t, 0, "1.1.0\n1.0.0\n:", "")
	if offered := line.Run(nowhere, "", "__complete", "--project", folder, "rollback", "--version", ""); offered.Out != "1.0.0\n:36\n" {
		t.Errorf("%+v", offered)
	}
	// Where there is no project, there is nothing to complete, and nothing to say.
	line.Run(nil, "", "__complete", "--project", t.TempDir(), "rollback", "--version", "").Expect(t, 0, ":36\n", "")
}

// TestCompletionOfServices offers what the command takes, of those that the project has.
func TestCompletionOfServices(t *testing.T) {
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{"tale.json": `{"version": 1, "id": "shop-1", "services": ["db", "convex", "platform", "proxy", "rag"]}`})
	offered := line.Run(nil, "", "__complete", "--project", folder, "deploy", "--services", "")
	offered.Expect(t, 0, "platform\nrag\n:", "")
	for _, service := range strings.Fields(strings.Split(offered.Out, ":")[0]) {
		refused := line.Run(nil, "", "deploy", "--project", folder, "--services", service, "--timeout", "0").Err
		if strings.Contains(refused, "--services") || !strings.Contains(refused, "--timeout") {
			t.Errorf("%s is offered and refused: %s", service, refused)
		}
	}
	line.Run(nil, "", "__complete", "--project", folder, "logs", "").Expect(t, 0, "db\nconvex\n", "")
}

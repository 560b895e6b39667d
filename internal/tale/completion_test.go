package tale_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestCompletionOfVersions(t *testing.T) {
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{
		"tale.json":           `{"version": 1, "id": "shop-1"}`,
		".tale/history.jsonl": `{"command": "tale deploy", "version": "1.0.0", "result": "done"}` + "\n" + `{"command": "tale deploy", "version": "1.1.0", "result": "done"}` + "\n",
	})
	for _, command := range []string{"deploy", "rollback"} {
		line.Run(nil, "", "__complete", "--project", folder, command, "--version", "").Expect(t, 0, "1.1.0\n1.0.0\n:", "")
	}
	// Where there is no project, there is nothing to complete, and nothing to say.
	line.Run(nil, "", "__complete", "--project", t.TempDir(), "rollback", "--version", "").Expect(t, 0, ":36\n", "")
}

package teardown_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
)

// TestEveryRunEndsByAResult with --json, also where there is no engine.
func TestEveryRunEndsByAResult(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir, "--services", "db,convex,platform,proxy", "--registry", "r.example/x").Expect(t, 0, "", "")
	away := config.Environ{"DOCKER_HOST": "unix://" + filepath.Join(dir, "none.sock"), "HOME": t.TempDir()}
	nowhere := line.Run(nil, "", "reset", "--json", "--project", t.TempDir())
	if nowhere.Code == 0 || !strings.Contains(nowhere.Out, `"kind":"result"`) {
		t.Errorf("without a project: exit %d, %q", nowhere.Code, nowhere.Out)
	}
	for _, command := range []string{"stop", "cleanup", "reset", "deploy --yes", "start --yes", "rollback --yes", "backup " + filepath.Join(dir, "b.tar")} {
		r := line.Run(away, "", append(strings.Fields(command), "--json", "--project", dir)...)
		var result struct {
			Kind     string
			OK       bool
			ExitCode int
			Text     string
		}
		lines := strings.Split(strings.TrimSpace(r.Out), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil || result.Kind != "result" || result.OK || result.ExitCode != r.Code || result.Text == "" || r.Code != exit.Unavailable && r.Code != exit.Config {
			t.Errorf("%s: exit %d, %q: %v", command, r.Code, r.Out, err)
		}
	}
}

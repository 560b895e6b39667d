package convexsim_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// Rows do not know of it: hashes are listed as before, and everything that needs
// the code fails without a word, until a push brings it again.
func TestLostPackages(t *testing.T) {
	var log testkit.Buffer
	s := simtest.Start(t, convexsim.Options{Log: logging.New(&log, logging.FormatConsole, slog.LevelInfo)})
	push := newPush(s)
	deploy(t, s, push)
	hashes := object{"adminKey": s.AdminKey()}
	listed := post(t, s, hashesPath, hashes).body
	query := object{"path": "notes:list", "args": object{}}
	if got := post(t, s, "/api/query", query); !strings.Contains(got.body, convexsim.NotRun) {
		t.Errorf("query: %s", got.body)
	}
	if err := os.RemoveAll(filepath.Join(s.Options().Storage, "modules")); err != nil {
		t.Fatal(err)
	}
	unchanged := change(push, object{"changedModules": []any{}, "unchangedModuleHashes": []object{hashOf(function("notes.js", "list"), "isolate")}})
	for path, body := range map[string]object{"/api/query": query, evaluatePushPath: unchanged, startPushPath: unchanged} {
		wantFailure(t, path, post(t, s, path, body), 500, "InternalServerError")
	}
	if got := post(t, s, hashesPath, hashes).body; got != listed {
		t.Errorf("hashes: %s", got)
	}
	simtest.Stop(t, s)
	if !strings.Contains(log.String(), "Src Pkg storage key not found?? ObjectKey(") {
		t.Errorf("log: %s", log.String())
	}
	s = simtest.Restart(t, s)
	deploy(t, s, push)
	if got := post(t, s, "/api/query", query); !strings.Contains(got.body, convexsim.NotRun) {
		t.Errorf("query after a push: %s", got.body)
	}
}

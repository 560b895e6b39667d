package demo

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestCountKinds(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("install Node.js 20 or newer")
	}
	count := func(t *testing.T, modules map[string]string) (string, error) {
		t.Helper()
		var changed []map[string]string
		for path, source := range modules {
			changed = append(changed, map[string]string{"path": path, "source": source})
		}
		text, err := json.Marshal(map[string]any{"appDefinition": map[string]any{"changedModules": changed}})
		if err != nil {
			t.Fatal(err)
		}
		request := filepath.Join(t.TempDir(), "request.json")
		put(t, request, string(text))
		counted, err := countKinds(t.Context(), request, config.Environ{"PATH": os.Getenv("PATH")})
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(request), "*")); len(left) != 1 {
			t.Errorf("left: %q", left)
		}
		return counted, err
	}
	got, err := count(t, map[string]string{
		"_deps/a.js":     "export const f = (kind) => ({ [kind]: true });",
		"part/all.js":    `import { f } from "../_deps/a.js"; export const a = f("isQuery"), b = f("isQuery"), c = f("isMutation"), d = { ...f("isAction"), isInternal: true }, e = 1, n = null;`,
		"http.js":        "export default { isRouter: true, getRoutes: () => [1, 2, 3] };",
		"crons.js":       "export default { isCrons: true, crons: { daily: {} } };",
		"auth.config.js": `throw new Error("evaluated with the deployment's variables only");`,
	})
	if want := "2 queries, 1 mutation, 1 internal, 3 HTTP routes, 1 cron"; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if got, err := count(t, map[string]string{"a.js": "throw 1"}); err == nil || !strings.Contains(err.Error(), "cannot load the functions") {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := count(t, map[string]string{"a.js": "throw new TypeError('API_KEY is missing')"}); err == nil || !strings.Contains(err.Error(), "TypeError: API_KEY is missing; ") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTheSimulatorSaysThatCronsDoNotRun(t *testing.T) {
	simulator, official := backend{}.running("packages"), backend{runs: true}
	for _, tt := range []struct {
		of    backend
		kinds string
		told  bool
	}{{simulator, "2 queries, 1 cron", true}, {simulator, "2 crons", true}, {simulator, "2 queries", false}, {official, "2 crons", false}} {
		if got := tt.of.leavesOut(tt.kinds); strings.Contains(got, "crons do NOT run") != tt.told {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

package requestfile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

func TestExports(t *testing.T) {
	for source, want := range map[string]bool{
		"var runAll = 1;\nexport {\n  other,\n  runAll\n};\n": true,
		"export{runAll};":                        true,
		"export { all as runAll };":              true,
		"export const runAll = mutation({});":    true,
		"export async function runAll() {}":      true,
		"export { runAll as other };":            false,
		"export { runAllOfIt };":                 false,
		"const runAll = 1; export { other };":    false,
		"":                                       false,
		"// \u2028 \"{[]}\"\nexport { runAll };": true,
	} {
		var request pushtest.Request
		request.AppDefinition.UDFServerVersion = "1.35.1"
		request.AppDefinition.ChangedModules = []pushtest.Module{{Path: "a.js", Source: "export { runAll };", Environment: "isolate"}, {Path: "migrations.js", Source: source, Environment: "isolate"}}
		request.Components, request.NodeDependencies, request.AppDefinition.Unchanged, request.AppDefinition.Dependencies = []pushtest.Component{}, []map[string]any{}, []map[string]any{}, []string{}
		data, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "request.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := file.Exports("migrations.js", "runAll"); got != want || err != nil {
			t.Errorf("%q: %v, %v", source, got, err)
		}
		if got, err := file.Exports("gone.js", "runAll"); got || err != nil {
			t.Errorf("a module that is not there: %v, %v", got, err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

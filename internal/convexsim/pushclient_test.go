package convexsim_test

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/tale-project/tale-runtime/internal/convexsim"
)

const (
	hashesPath       = "/api/get_config_hashes"
	evaluatePushPath = "/api/deploy2/evaluate_push"
	startPushPath    = "/api/deploy2/start_push"
	waitPath         = "/api/deploy2/wait_for_schema"
	finishPath       = "/api/deploy2/finish_push"
	reportPath       = "/api/deploy2/report_push_completed"
)

type object = map[string]any

// dig follows keys and indexes into decoded JSON, to nil where there is nothing.
func dig(v any, keys ...any) any {
	for _, key := range keys {
		switch key := key.(type) {
		case string:
			within, _ := v.(object)
			v = within[key]
		case int:
			within, _ := v.([]any)
			if key >= len(within) {
				return nil
			}
			v = within[key]
		}
	}
	return v
}

// size returns how many elements or fields there are.
func size(v any, keys ...any) int {
	switch v := dig(v, keys...).(type) {
	case []any:
		return len(v)
	case object:
		return len(v)
	}
	return -1
}

// objectAt returns an object inside of decoded JSON, to be changed.
func objectAt(v any, keys ...any) object {
	found, _ := dig(v, keys...).(object)
	return found
}

// schemaSource is what the bundler makes of a schema with three kinds of index; the
// library is minified, so that defineTable is O here.
//
//go:embed testdata/schema.js
var schemaSource string

const authSource = `// convex/auth.config.ts
var e = { providers: [{ domain: process.env.SITE_URL, applicationID: "convex" }] };
export {
  e as default
};
`

// usingTwice is an app definition that uses one component under two names.
const usingTwice = `import ve from"./_componentDeps/bGliL2xpbWl0ZXI";var V=re();V.use(ve);V.use(ve,{name:"second"});var ts=V;export{ts as default};`

func module(path, source string) object {
	return object{"path": path, "source": source, "environment": "isolate"}
}

// function returns a module with one exported function.
func function(path, name string) object {
	return module(path, fmt.Sprintf("var l = o({ handler: t });\nexport {\n  l as %s\n};\n", name))
}

// newPush returns a push of an app with a schema and two modules.
func newPush(s *convexsim.Server) object {
	return object{
		"adminKey": s.AdminKey(), "dryRun": false, "functions": "convex/", "nodeDependencies": []any{},
		"appDefinition": object{
			"definition": module("convex.config.js", "var a = defineApp(); export { a as default };"), "dependencies": []string{},
			"schema": module("schema.js", schemaSource), "unchangedModuleHashes": []any{}, "udfServerVersion": "1.32.0",
			"changedModules": []object{function("notes.js", "list"), function("_deps/ABC.js", "a")},
		},
		"componentDefinitions": []any{},
	}
}

// change returns a push with some fields of its app replaced.
func change(push object, fields object) object {
	app := maps.Clone(objectAt(push, "appDefinition"))
	maps.Copy(app, fields)
	changed := maps.Clone(push)
	changed["appDefinition"] = app
	return changed
}

func hashOf(m object, environment string) object {
	source, _ := m["source"].(string)
	sourceMap, _ := m["sourceMap"].(string)
	sum := sha256.Sum256([]byte(source + sourceMap))
	return object{"path": m["path"], "environment": environment, "sha256": hex.EncodeToString(sum[:])}
}

func post(t *testing.T, s *convexsim.Server, path string, body any, edits ...edit) answered {
	t.Helper()
	return call(t, s, http.MethodPost, path, body, append([]edit{noKey}, edits...)...)
}

func mustStart(t *testing.T, s *convexsim.Server, push object) object {
	t.Helper()
	return success(t, post(t, s, startPushPath, push))
}

func success(t *testing.T, got answered) object {
	t.Helper()
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	var answer object
	got.decode(t, &answer)
	return answer
}

func waitFor(t *testing.T, s *convexsim.Server, started object, timeout int) answered {
	t.Helper()
	return post(t, s, waitPath, object{"adminKey": s.AdminKey(), "schemaChange": started["schemaChange"], "timeoutMs": timeout, "dryRun": false})
}

func finishPush(t *testing.T, s *convexsim.Server, started object) answered {
	t.Helper()
	return post(t, s, finishPath, object{"adminKey": s.AdminKey(), "startPush": started, "dryRun": false, "message": nil})
}

// deploy pushes to the end.
func deploy(t *testing.T, s *convexsim.Server, push object) object {
	t.Helper()
	return success(t, finishPush(t, s, mustStart(t, s, push)))
}

func wantFailure(t *testing.T, name string, got answered, status int, code string) {
	t.Helper()
	if got.status != status {
		t.Errorf("%s: got %d %s, want %d", name, got.status, got.body, status)
	} else if got.code(t) != code {
		t.Errorf("%s: got %s, want %s", name, got.body, code)
	}
}

func brotliOf(t *testing.T, v any) []byte {
	t.Helper()
	var compressed bytes.Buffer
	writer := brotli.NewWriterLevel(&compressed, 4)
	if err := json.NewEncoder(writer).Encode(v); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return compressed.Bytes()
}

package push

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testModule is one module as the CLI writes it.
type testModule struct {
	Path        string `json:"path"`
	Source      string `json:"source"`
	Environment string `json:"environment,omitempty"`
	SourceMap   string `json:"sourceMap,omitempty"`
}

func (m testModule) sha256() string {
	sum := sha256.Sum256([]byte(m.Source + m.SourceMap))
	return hex.EncodeToString(sum[:])
}

type testComponent struct {
	DefinitionPath   string       `json:"definitionPath"`
	Definition       testModule   `json:"definition"`
	Dependencies     []string     `json:"dependencies"`
	Schema           *testModule  `json:"schema"`
	Functions        []testModule `json:"functions"`
	UDFServerVersion string       `json:"udfServerVersion"`
}

type testAppDefinition struct {
	Definition       *testModule      `json:"definition"`
	Dependencies     []string         `json:"dependencies"`
	Schema           *testModule      `json:"schema"`
	ChangedModules   []testModule     `json:"changedModules"`
	Unchanged        []map[string]any `json:"unchangedModuleHashes"`
	UDFServerVersion string           `json:"udfServerVersion"`
}

// testRequest is a push request with the fields, and their order, that convex
// 1.48.0 writes.
type testRequest struct {
	AdminKey         string            `json:"adminKey"`
	DryRun           bool              `json:"dryRun"`
	Functions        string            `json:"functions"`
	AppDefinition    testAppDefinition `json:"appDefinition"`
	Components       []testComponent   `json:"componentDefinitions"`
	NodeDependencies []map[string]any  `json:"nodeDependencies"`
	ForCodegen       bool              `json:"forCodegen"`
}

// awkward has what a scanner of JSON strings may trip over.
const awkward = "a \"quoted\" \\ back\\\\slash\u2028 é 😀 \t\n\r\x01 </script> {\"adminKey\":\"x\"} [,]"

// newTestRequest is a small app with a schema, a node module, an auth config and
// one component.
func newTestRequest() testRequest {
	return testRequest{
		AdminKey:  "build|00",
		Functions: "convex/",
		AppDefinition: testAppDefinition{
			Definition:   &testModule{Path: "convex.config.js", Source: `import { defineApp } from "convex/server"; const app = defineApp(); export { app as default };`, Environment: "isolate"},
			Dependencies: []string{"counter"},
			Schema:       &testModule{Path: "schema.js", Source: `import { defineSchema } from "convex/server"; export default defineSchema({});`, Environment: "isolate"},
			ChangedModules: []testModule{
				{Path: "messages.js", Source: "export const list = query({});\n" + awkward, SourceMap: `{"version":3,"sources":["a\\b"]}`, Environment: "isolate"},
				{Path: "actions.js", Source: "export const run = action({});", Environment: "node"},
				{Path: "auth.config.js", Source: "export default { providers: [] };", Environment: "isolate"},
			},
			Unchanged:        []map[string]any{},
			UDFServerVersion: "1.35.1",
		},
		Components: []testComponent{{
			DefinitionPath:   "counter",
			Definition:       testModule{Path: "convex.config.js", Source: `export default defineComponent("counter");`, Environment: "isolate"},
			Dependencies:     []string{},
			Functions:        []testModule{{Path: "public.js", Source: "export const count = query({});", Environment: "isolate"}},
			UDFServerVersion: "1.35.1",
		}},
		NodeDependencies: []map[string]any{},
	}
}

func (r testRequest) write(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "push-request.json")
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, text.String())
	return path
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (r testRequest) with(change func(*testRequest)) testRequest {
	change(&r)
	return r
}

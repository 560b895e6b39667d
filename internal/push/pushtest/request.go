package pushtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Module is one module as the CLI writes it.
type Module struct {
	Path        string `json:"path"`
	Source      string `json:"source"`
	Environment string `json:"environment,omitempty"`
	SourceMap   string `json:"sourceMap,omitempty"`
}

// SHA256 returns the hash of the module as backends report it.
func (m Module) SHA256() string {
	sum := sha256.Sum256([]byte(m.Source + m.SourceMap))
	return hex.EncodeToString(sum[:])
}

// Component is one element of componentDefinitions.
type Component struct {
	DefinitionPath   string   `json:"definitionPath"`
	Definition       Module   `json:"definition"`
	Dependencies     []string `json:"dependencies"`
	Schema           *Module  `json:"schema"`
	Functions        []Module `json:"functions"`
	UDFServerVersion string   `json:"udfServerVersion"`
}

// AppDefinition is the app itself.
type AppDefinition struct {
	Definition       *Module          `json:"definition"`
	Dependencies     []string         `json:"dependencies"`
	Schema           *Module          `json:"schema"`
	ChangedModules   []Module         `json:"changedModules"`
	Unchanged        []map[string]any `json:"unchangedModuleHashes"`
	UDFServerVersion string           `json:"udfServerVersion"`
}

// Request is a push request with the fields, and their order, that convex
// 1.48.0 writes.
type Request struct {
	AdminKey         string           `json:"adminKey"`
	DryRun           bool             `json:"dryRun"`
	Functions        string           `json:"functions"`
	AppDefinition    AppDefinition    `json:"appDefinition"`
	Components       []Component      `json:"componentDefinitions"`
	NodeDependencies []map[string]any `json:"nodeDependencies"`
	ForCodegen       bool             `json:"forCodegen"`
	NodeVersion      string           `json:"nodeVersion,omitempty"`
}

// Awkward has what a scanner of JSON strings may trip over.
const Awkward = "a \"quoted\" \\ back\\\\slash\u2028 é 😀 \t\n\r\x01 </script> {\"adminKey\":\"x\"} [,]"

// NewRequest returns a small app with a schema, a node module, an auth config and
// one component.
func NewRequest() Request {
	return Request{
		AdminKey:  "build|00",
		Functions: "convex/",
		AppDefinition: AppDefinition{
			Definition:   &Module{Path: "convex.config.js", Source: `import { defineApp } from "convex/server"; const app = defineApp(); export { app as default };`, Environment: "isolate"},
			Dependencies: []string{"counter"},
			Schema:       &Module{Path: "schema.js", Source: `import { defineSchema } from "convex/server"; export default defineSchema({});`, Environment: "isolate"},
			ChangedModules: []Module{
				{Path: "messages.js", Source: "export const list = query({});\n" + Awkward, SourceMap: `{"version":3,"sources":["a\\b"]}`, Environment: "isolate"},
				{Path: "actions.js", Source: "export const run = action({});", Environment: "node"},
				{Path: "auth.config.js", Source: "export default { providers: [] };", Environment: "isolate"},
			},
			Unchanged:        []map[string]any{},
			UDFServerVersion: "1.35.1",
		},
		Components: []Component{{
			DefinitionPath:   "counter",
			Definition:       Module{Path: "convex.config.js", Source: `export default defineComponent("counter");`, Environment: "isolate"},
			Dependencies:     []string{},
			Functions:        []Module{{Path: "public.js", Source: "export const count = query({});", Environment: "isolate"}},
			UDFServerVersion: "1.35.1",
		}},
		NodeDependencies: []map[string]any{},
	}
}

func (r Request) Write(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "push-request.json")
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		t.Fatal(err)
	}
	WriteFile(t, path, text.String())
	return path
}

// WriteFile is os.WriteFile or the end of the test.
func WriteFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// With returns the request after a change; slices in it are shared.
func (r Request) With(change func(*Request)) Request {
	change(&r)
	return r
}

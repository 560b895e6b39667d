package deploy2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// BenchmarkDecodePush reads a push of a thousand modules of 30 KB, which is what
// a large app sends; the simulator must not be what a benchmark measures.
func BenchmarkDecodePush(b *testing.B) {
	source := strings.Repeat("  const value = await ctx.db.query(\"notes\").collect();\n", 600)
	modules := make([]map[string]any, 1000)
	for i := range modules {
		modules[i] = map[string]any{
			"path": fmt.Sprintf("dir/file%d.js", i), "source": source + "export {\n  l as list\n};\n", "environment": "isolate",
		}
	}
	body, err := json.Marshal(map[string]any{
		"adminKey": "", "functions": "convex/", "nodeDependencies": []any{}, "componentDefinitions": []any{},
		"appDefinition": map[string]any{"changedModules": modules, "udfServerVersion": "1.32.0"},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(b.Context(), bytes.NewReader(body), false); err != nil {
			b.Fatal(err)
		}
	}
}

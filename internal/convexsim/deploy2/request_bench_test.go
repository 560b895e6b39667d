package convexsim

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
	modules := make([]object, 1000)
	for i := range modules {
		modules[i] = function(fmt.Sprintf("dir/file%d.js", i), "list")
		modules[i]["source"] = source + fmt.Sprint(modules[i]["source"])
	}
	body, err := json.Marshal(object{
		"adminKey": "", "functions": "convex/", "nodeDependencies": []any{}, "componentDefinitions": []any{},
		"appDefinition": object{"changedModules": modules, "udfServerVersion": "1.32.0"},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodePush(b.Context(), bytes.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
}

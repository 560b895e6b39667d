package bundle

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvDeclarations(t *testing.T) {
	source := `import c from "./x"; var app = defineApp({ env: { KEY: v.string(), MODE: v.optional(v.union(v.literal("a"), v.literal("b"))), ONE: v.literal("1") } });
app.use(c, { env: { INNER: "x" } });`
	want := []EnvDeclaration{{Name: "KEY"}, {Name: "MODE", Optional: true, Literals: []string{"a", "b"}}, {Name: "ONE", Literals: []string{"1"}}}
	if diff := cmp.Diff(want, EnvDeclarations(source)); diff != "" {
		t.Error(diff)
	}
	for _, none := range []string{`defineApp();`, `defineApp(); app.use(c, { env: { INNER: v.string() } });`, `defineApp({ env: {} })`, `defineApp({ env: { A: v.string(`} {
		if got := EnvDeclarations(none); len(got) > 0 {
			t.Errorf("%s: %v", none, got)
		}
	}
}

package platform

import (
	"maps"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

// declaring returns the path of a request whose app declares its variables.
func declaring(t *testing.T, env string) string {
	t.Helper()
	return pushtest.NewRequest().With(func(r *pushtest.Request) {
		definition := *r.AppDefinition.Definition
		definition.Source = strings.Replace(definition.Source, "defineApp()", "defineApp({ env: "+env+" })", 1)
		r.AppDefinition.Definition = &definition
	}).Write(t)
}

// A release and its variables change together, whatever the release before it has
// declared about them.
func TestVariablesThatTheDeployedReleaseDeclares(t *testing.T) {
	const one, both, two = `v.literal("one")`, `v.union(v.literal("one"), v.literal("two"))`, `v.literal("two")`
	for name, tt := range map[string]struct {
		before, after string // what is declared
		value         string // of DEBUG_MODE, after "one"
		code          int
		says          string
	}{
		"no longer required":    {"{ DEBUG_MODE: v.string() }", "{ DEBUG_MODE: v.optional(v.string()) }", "", 0, "after the push"},
		"required again":        {"{ DEBUG_MODE: v.string() }", "{ DEBUG_MODE: v.string() }", "", exit.DeployRefused, "DEBUG_MODE is to be removed"},
		"more values":           {"{ DEBUG_MODE: " + one + " }", "{ DEBUG_MODE: " + both + " }", "two", 0, "after the push"},
		"fewer values":          {"{ DEBUG_MODE: " + both + " }", "{ DEBUG_MODE: " + two + " }", "two", 0, ""},
		"other values":          {"{ DEBUG_MODE: " + one + " }", "{ DEBUG_MODE: " + two + " }", "two", exit.DeployRefused, "Two releases are needed for the variable DEBUG_MODE"},
		"a value of no release": {"{ DEBUG_MODE: " + one + " }", "{ DEBUG_MODE: " + both + " }", "three", exit.DeployRefused, "DEBUG_MODE (5 bytes)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := newSim(t)
			boot := func(env, value string) *container {
				return start(t, environ(t, sim.URL(), "CONVEX_PUSH_REQUEST="+declaring(t, env), "DEBUG_MODE="+value), "push")
			}
			first := boot(tt.before, "one")
			if code := first.Wait(); code != 0 {
				t.Fatalf("first push: exit code %d\n%s", code, first.Output.String())
			}
			second := boot(tt.after, tt.value)
			if code := second.Wait(); code != tt.code || !second.Says(tt.says) {
				t.Fatalf("exit code %d, want %d and %q:\n%s", code, tt.code, tt.says, second.Output.String())
			}
			environment := sim.State().Environment
			if got, set := environment["DEBUG_MODE"]; tt.code == 0 && (got != tt.value || set != (tt.value != "")) {
				t.Errorf("%q", environment)
			}
			if tt.code != 0 {
				return
			}
			// Another boot evaluates the code with the new variables at most, and is at rest.
			for range 2 {
				if code := boot(tt.after, tt.value).Wait(); code != 0 {
					t.Fatalf("exit code %d", code)
				}
			}
			pushes := sim.State().Pushes
			if code := boot(tt.after, tt.value).Wait(); code != 0 || sim.State().Pushes != pushes || !maps.Equal(sim.State().Environment, environment) {
				t.Errorf("exit code %d, %d pushes after %d, %q", code, sim.State().Pushes, pushes, sim.State().Environment)
			}
		})
	}
}

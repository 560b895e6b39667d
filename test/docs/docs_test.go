package docs_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/test/docs"
)

func TestGeneratedPagesAreFresh(t *testing.T) {
	for path, write := range docs.Pages() {
		var want bytes.Buffer
		if err := write(&want); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is stale: run make docs", path)
		}
	}
}

func TestEverySettingIsDocumented(t *testing.T) {
	for name, settings := range map[string]any{"platform": platform.Settings{}, "convex": convex.Settings{}, "proxy": proxy.Settings{}} {
		seen := map[string]bool{}
		for _, v := range config.Describe(settings) {
			if v.Doc == "" {
				t.Errorf("%s: %s has no doc tag", name, v.Name)
			}
			if seen[v.Name] {
				t.Errorf("%s: %s is read twice", name, v.Name)
			}
			seen[v.Name] = true
		}
	}
}

// TestServicesShareTheirSettings: what several services read has one default, one
// text and one rule.
func TestServicesShareTheirSettings(t *testing.T) {
	known := map[string]config.Variable{}
	operators := map[string]bool{}
	for _, settings := range []any{platform.Settings{}, convex.Settings{}, proxy.Settings{}} {
		for _, v := range config.Describe(settings) {
			if other, shared := known[v.Name]; shared && other != v {
				t.Errorf("%s is declared twice:\n%+v\n%+v", v.Name, other, v)
			}
			known[v.Name] = v
			operators[v.Name] = v.Tier == config.TierOperator
			if v.Tier != "" && v.Tier != config.TierOperator && v.Tier != config.TierAdvanced {
				t.Errorf("%s has the tier %q", v.Name, v.Tier)
			}
		}
	}
	maps.DeleteFunc(operators, func(_ string, is bool) bool { return !is })
	if len(operators) > 25 {
		t.Errorf("%d settings for every operator: more than anybody reads", len(operators))
	}
}

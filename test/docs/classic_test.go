package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
)

// TestDefaultsBesideTheClassicOnes holds the table of docs/migrating.md to the
// settings, and to what the backend is given.
func TestDefaultsBesideTheClassicOnes(t *testing.T) {
	_, page, _ := strings.Cut(read(t, "docs/migrating.md"), "\n## Defaults\n")
	page, _, _ = strings.Cut(page, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\| (.*?) \\| (.*) \\|$").FindAllStringSubmatch(page, -1)
	if len(rows) < 30 {
		t.Fatalf("%d rows", len(rows))
	}
	defaults := backend.Backend{}.Environ(nil, nil)
	for _, settings := range []any{convex.Settings{}, platform.Settings{}, proxy.Settings{}} {
		for _, v := range config.Describe(settings) {
			defaults[v.Name] = v.Default
		}
	}
	first := regexp.MustCompile("^`([^`]*)`")
	for _, row := range rows {
		name, want := row[1], row[3]
		if strings.HasPrefix(want, "same") {
			want = row[2]
		}
		value := ""
		if quoted := first.FindStringSubmatch(want); quoted != nil {
			value = quoted[1]
		} else if !strings.HasPrefix(want, "–") {
			t.Errorf("%s: %q is no default", name, want)
		}
		if defaults[name] != value {
			t.Errorf("%s: the page says %q, and it is %q", name, value, defaults[name])
		}
	}
}

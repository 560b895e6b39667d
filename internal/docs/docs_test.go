package docs_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/docs"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
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

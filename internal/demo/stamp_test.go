package demo

import (
	"os"
	"path/filepath"
	"testing"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDigestFollowsTheSources(t *testing.T) {
	tests := map[string]struct {
		path    string
		changes bool
	}{
		"a source":               {"src/page.ts", true},
		"a new source":           {"src/other.ts", true},
		"a named hidden file":    {".npmrc", true},
		"another hidden file":    {".env.local", false},
		"a hidden folder":        {".cache/x", false},
		"what a build wrote":     {"dist/server.js", false},
		"an installed package":   {"node_modules/x/y.js", false},
		"one nested in a source": {"src/node_modules/z.js", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			app := t.TempDir()
			put(t, filepath.Join(app, "src", "page.ts"), "one")
			put(t, filepath.Join(app, ".npmrc"), "one")
			before, err := digest(app, ".", ".npmrc", "missing")
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(app, tt.path), "two")
			after, err := digest(app, ".", ".npmrc", "missing")
			if err != nil {
				t.Fatal(err)
			}
			if (before != after) != tt.changes {
				t.Errorf("changed: %v, want %v", before != after, tt.changes)
			}
		})
	}
}

func TestStamp(t *testing.T) {
	s := stamp(filepath.Join(t.TempDir(), "deep", "stamp"))
	if s.matches("") || s.matches("a") {
		t.Error("a missing stamp matches")
	}
	if err := s.write("a"); err != nil {
		t.Fatal(err)
	}
	if !s.matches("a") || s.matches("b") {
		t.Error("the stamp is not what was written")
	}
}

package nodemodules_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/nodemodules"
)

func put(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFindWalksUpToTheNearest(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(root, "services", "web")
	if err := os.MkdirAll(app, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "app")
	if err := os.Symlink(app, link); err != nil {
		t.Fatal(err)
	}
	if got := nodemodules.Find(app, "a/main.js"); got != "" {
		t.Errorf("found %s where there is nothing", got)
	}
	// Each is nearer than what was there before.
	for _, folder := range []string{root, filepath.Join(root, "services"), app} {
		want := filepath.Join(folder, "node_modules", ".bin", "a")
		put(t, want)
		for _, dir := range []string{app, link} {
			if got := nodemodules.Find(dir, "a/main.js", ".bin/a"); got != want {
				t.Errorf("from %s: %s, want %s", dir, got, want)
			}
		}
	}
	want := filepath.Join(app, "node_modules", "a", "main.js")
	put(t, want)
	if got := nodemodules.Find(app, "a/main.js", ".bin/a"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFindTakesRelativeFoldersAndNoFolderForAFile(t *testing.T) {
	root := t.TempDir()
	put(t, filepath.Join(root, "node_modules", "a"))
	if err := os.MkdirAll(filepath.Join(root, "app", "node_modules", "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	if got := nodemodules.Find("app", "a"); filepath.Base(filepath.Dir(filepath.Dir(got))) != filepath.Base(root) {
		t.Errorf("%q", got)
	}
}

func TestFoldersLeaveOutNestedOnes(t *testing.T) {
	want := []string{"/a/node_modules/b/node_modules", "/a/node_modules", "/node_modules"}
	if got := nodemodules.Folders("/a/node_modules/b"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestPathHasTheNearestCommandsFirst(t *testing.T) {
	if got := nodemodules.Path("/none/such", "/usr/bin:/bin"); got != strings.Join([]string{
		"/none/such/node_modules/.bin", "/none/node_modules/.bin", "/node_modules/.bin", "/usr/bin", "/bin",
	}, ":") {
		t.Errorf("%s", got)
	}
}

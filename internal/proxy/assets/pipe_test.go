package assets

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe has no end until something has written to it.
func TestPipesInTheFolderAreForgotten(t *testing.T) {
	dir := t.TempDir()
	var pipes []string
	for _, folder := range []string{"index", "blobs"} {
		name := filepath.Join(dir, folder, strings.Repeat("0a", 32))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		pipes = append(pipes, name)
	}
	if _, err := openStore(dir, 1<<20, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for _, name := range pipes {
		if _, err := os.Lstat(name); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}

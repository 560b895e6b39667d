package testkit

import (
	"os"
	"testing"
)

// RequireRoot fails a test that only root can run: a test that is skipped shows
// nothing.
func RequireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("giving up root can only be tested as root")
	}
}

// PublicDir returns a folder that every user can enter, unlike t.TempDir.
func PublicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "public") //nolint:usetesting // the parent of t.TempDir is its user's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // that everybody gets to it is the point
		t.Fatal(err)
	}
	return dir
}

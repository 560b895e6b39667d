package volume

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestSweepTemp(t *testing.T) {
	folder, outside := t.TempDir(), t.TempDir()
	testkit.WriteTree(t, outside, map[string]string{"precious": "x"})
	testkit.WriteTree(t, folder, map[string]string{"old": "x", "fresh": "x", "tree/old": "x", "busy/old": "x", "busy/deep/fresh": "x", "foreign": "x"})
	if err := os.Symlink(outside, filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Add(time.Hour)
	for _, fresh := range []string{"fresh", "busy/deep/fresh"} {
		if err := os.Chtimes(filepath.Join(folder, fresh), now, now); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"busy", "fresh"}
	if os.Geteuid() == 0 { // only root can make a file of another user
		if err := os.Chown(filepath.Join(folder, "foreign"), 4242, 4242); err != nil {
			t.Fatal(err)
		}
		want = []string{"busy", "foreign", "fresh"}
	}
	removed, kept, err := sweep(folder, now)
	if err != nil || kept != len(want) || removed != 6-len(want) {
		t.Errorf("removed %d, kept %d, %v", removed, kept, err)
	}
	entries, err := os.ReadDir(folder)
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("left %q, want %q, %v", left, want, err)
	}
	testkit.ReadFile(t, filepath.Join(outside, "precious"))
	testkit.ReadFile(t, filepath.Join(folder, "busy/old"))
}

func TestSweepTempWithoutFolder(t *testing.T) {
	if _, _, err := sweep(filepath.Join(t.TempDir(), "missing"), time.Now()); err == nil {
		t.Error("no error")
	}
}

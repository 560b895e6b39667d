package backup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestADiskThatIsFull: what is half has no name, and the means are named once.
func TestADiskThatIsFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.tar")
	if err := os.Symlink("/dev/full", path+".partial"); err != nil {
		t.Fatal(err)
	}
	take := backup.Take{Files: map[string][]byte{"tale.json": []byte("{}")}, Path: path, Moves: func(string, int64) {}}
	_, err := take.Run(t.Context())
	testkit.WantError(t, err, exit.Failure, "cannot write the backup, and keep nothing of it: ", "no space left on device; make room, or name a FILE on another disk")
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
	if _, err := take.Run(t.Context()); err != nil {
		t.Errorf("with room: %v", err)
	}
}

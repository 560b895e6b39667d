package volume_test

import (
	"os"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What has never been there is not missed, and what is gone does not come back by a folder
// of that name.
func TestPresence(t *testing.T) {
	for storage, lost := range map[string]string{stack.StoragePostgres: "convex was deleted", stack.StorageSQLite: ".sqlite3 was deleted"} {
		s := volume.Settings{DataDir: t.TempDir()}
		p := s.Presence(storage)
		if err := p.Check(); err != nil {
			t.Errorf("%s: before it is there: %v", storage, err)
		}
		testkit.WriteTree(t, s.DataDir, map[string]string{"convex/convex_local_backend.sqlite3": "x"})
		if err := p.Check(); err != nil {
			t.Errorf("%s: while it is there: %v", storage, err)
		}
		gone := map[string]string{stack.StoragePostgres: s.BackendDir(), stack.StorageSQLite: s.SQLitePath()}[storage]
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := p.Check(); err == nil || !strings.Contains(err.Error(), lost) {
				t.Errorf("%s: %v", storage, err)
			}
			if err := os.MkdirAll(gone, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
}

package tale

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestWhatKilledBackupsHaveLeftGoes(t *testing.T) {
	dir := t.TempDir()
	s := &session{project: &project.Project{Dir: dir, File: project.File{ID: "shop-1"}}}
	for _, tt := range []struct{ folder, stays string }{{filepath.Join(dir, "backups"), "other.tar.partial"}, {s.project.Path(snapshots), ""}} {
		testkit.WriteTree(t, tt.folder, map[string]string{"shop-1-20260101T000000Z.tar.partial": "", "other.tar.partial": "", "shop-1-20260101T000000Z.tar": ""})
		s.removePartial(tt.folder)
		var left []string
		entries, err := os.ReadDir(tt.folder)
		for _, entry := range entries {
			left = append(left, entry.Name())
		}
		want := []string{"shop-1-20260101T000000Z.tar"}
		if tt.stays != "" {
			want = []string{tt.stays, want[0]}
		}
		if !slices.Equal(left, want) {
			t.Errorf("%s: %q, %v", tt.folder, left, err)
		}
	}
}

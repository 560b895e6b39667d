package cgroup

import (
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestProcesses(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		limit uint64
	}{
		"version 2":          {map[string]string{"pids.max": "40\n"}, 40},
		"version 1":          {map[string]string{"pids/pids.max": "16\n"}, 16},
		"none":               {map[string]string{"pids.max": "max\n"}, 0},
		"not told":           {nil, 0},
		"the least of a few": {map[string]string{"pids.max": "max\n", "a/pids.max": "90\n", "a/b/pids.max": "200\n", "cgroup": "0::/a/b\n"}, 90},
	} {
		root := t.TempDir()
		testkit.WriteTree(t, root, tt.files)
		limit, known := Memory{Root: root, Member: filepath.Join(root, "cgroup")}.processes()
		if limit != tt.limit || known != (tt.limit > 0) {
			t.Errorf("%s: %d, %v", name, limit, known)
		}
	}
}

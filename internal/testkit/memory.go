package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// InMemory returns argv such that the program runs in a control group of its own, of
// version 1 or 2, with so much memory. It takes root and a control group file system
// that can be written to.
func InMemory(t *testing.T, bytes int, argv ...string) []string {
	t.Helper()
	RequireRoot(t)
	parent, limit := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
	if _, err := os.Stat(parent); err != nil {
		parent, limit = "/sys/fs/cgroup", "memory.max"
		// It may be on already, or refused where it is; then the limit cannot be set.
		_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+memory"), 0o600)
	}
	group, err := os.MkdirTemp(parent, "tale-test-*") //nolint:usetesting // it is no folder for files
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		Eventually(t, "the control group is gone", func() bool { return os.Remove(group) == nil })
	})
	if err := os.WriteFile(filepath.Join(group, limit), fmt.Append(nil, bytes), 0o600); err != nil {
		t.Fatal(err)
	}
	quoted := "'" + strings.ReplaceAll(filepath.Join(group, "cgroup.procs"), "'", `'\''`) + "'"
	return append([]string{"sh", "-c", "echo $$ > " + quoted + `; exec "$@"`, "sh"}, argv...)
}

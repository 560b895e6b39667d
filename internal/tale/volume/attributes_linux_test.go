package volume_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/tale/volume/volumetest"
)

// TestAttributesThatNoCopyHas stay where they are, as the kernel lets no helper set them, and are
// counted.
func TestAttributesThatNoCopyHas(t *testing.T) {
	from, to, tree := pair(t, 20)
	for _, name := range []string{"attributes/capable", "attributes/user", "attributes/handing down"} {
		if err := unix.Lsetxattr(filepath.Join(from, name), "security.other", []byte("x"), 0); err != nil {
			t.Fatal(err)
		}
	}
	report := copyOf(t, oldToNew, from, to)
	volumetest.Check(t, tree, to, -1)
	if got := report.Left.String(); got != "extended attributes of files: security.other of 3" {
		t.Errorf("left out are %q", got)
	}
}

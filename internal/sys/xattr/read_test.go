package xattr

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAttributesThatComeAndGo while they are read are there or not, and no error.
func TestAttributesThatComeAndGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(path, "user.stays", []byte("here"), 0); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	defer group.Wait()
	done := make(chan struct{})
	defer close(done)
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = unix.Setxattr(path, "user.passes", []byte("by"), 0)
				_ = unix.Removexattr(path, "user.passes")
			}
		}
	})
	for range 5000 {
		found, others, err := Of(path)
		if passes, there := found["user.passes"]; err != nil || len(others) > 0 || found["user.stays"] != "here" || there && passes != "by" {
			t.Fatalf("%q, %q, %v", found, others, err)
		}
	}
}

func TestAFileThatIsNotThere(t *testing.T) {
	if _, _, err := Of(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

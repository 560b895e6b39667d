package privilege

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A folder that is swapped for a link to another place must not be followed.
func TestOpenBelowFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{os.MkdirAll(filepath.Join(dir, "top/a"), 0o755), os.MkdirAll(filepath.Join(dir, "out/b"), 0o755),
		os.Symlink("../out", filepath.Join(dir, "top/link"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	top, err := unix.Open(filepath.Join(dir, "top"), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(top)
	for path, want := range map[string]error{"a": nil, ".": nil, "link": unix.ENOTDIR, "link/b": unix.ENOTDIR, "no": unix.ENOENT} {
		fd, err := openBelow(top, path)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		if err == nil {
			_ = unix.Close(fd)
		}
	}
}

// A listing comes from the kernel in several parts.
func TestLongListingIsReadToItsEnd(t *testing.T) {
	const files = 3000
	dir := t.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("a-name-of-some-length-%d", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o, _ := ownersOf(t, os.Getuid())
	if err := o.fix(context.Background(), []string{dir}); err != nil {
		t.Fatal(err)
	}
	if got := o.checked.Load(); got != files+1 {
		t.Errorf("looked at %d entries of %d", got, files+1)
	}
}

package privilege

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// Links that another user made, or that stand for the folder itself, could lead
// root to any place.
func TestOpenFolderFollowsOnlyLinksOfRootOnTheWay(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "real/inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"root": "real", "absolute": filepath.Join(dir, "real"), "up": "real/../real/inner/..", "user": "real", "loop": "loop", "real/chain": "../root",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Lchown(filepath.Join(dir, "user"), 1001, 1001); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{ // the folder that is opened, or what is said
		"real": "real", "real/inner": "real/inner", "real/new/folder": "real/new/folder",
		"root/inner": "real/inner", "absolute/inner": "real/inner", "up/inner": "real/inner", "real/chain/inner": "real/inner",
		"root": "root is a symbolic link", "user/inner": "user is a symbolic link", "user": "user is a symbolic link",
		"loop/inner": "loop is a symbolic link", "file/inner": "not a directory",
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for folder, want := range tests {
		handle, err := openFolder(filepath.Join(dir, folder))
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", folder, err, want)
			}
			continue
		}
		opened, _ := handle.Stat()
		_ = handle.Close()
		wanted, err := os.Stat(filepath.Join(dir, want))
		if err != nil || !os.SameFile(opened, wanted) {
			t.Errorf("%s: not %s, %v", folder, want, err)
		}
	}
}

// A folder below that is swapped for a link to another place is not followed.
func TestOwnersDoNotLeaveTheFolder(t *testing.T) {
	testkit.RequireRoot(t)
	dir := testkit.PublicDir(t)
	for _, folder := range []string{"data/swapped", "outside/inner"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	stop, swapped := make(chan struct{}), make(chan error, 1)
	go func() {
		link := filepath.Join(dir, "data/swapped")
		for {
			select {
			case <-stop:
				swapped <- os.RemoveAll(link)
				return
			default:
				_ = os.Remove(link)
				_ = os.Symlink("../outside", link)
				_ = os.Remove(link)
				_ = os.Mkdir(link, 0o755)
			}
		}
	}()
	for range 200 {
		o, _ := ownersOf(t, 1001)
		if err := o.fix(t.Context(), []string{filepath.Join(dir, "data")}); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	if err := <-swapped; err != nil {
		t.Error(err)
	}
	for _, folder := range []string{"outside", "outside/inner"} {
		info, err := os.Stat(filepath.Join(dir, folder))
		if err != nil || stat(info).Uid != 0 {
			t.Errorf("%s belongs to uid %d, %v", folder, stat(info).Uid, err)
		}
	}
}

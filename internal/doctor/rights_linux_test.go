package doctor

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A folder that the process may not look at says nothing about the space on its disk.
func TestTheDiskOfAFolderOfAnotherUser(t *testing.T) {
	testkit.RequireRoot(t)
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil { //nolint:gosec // it is a folder
		t.Fatal(err)
	}
	found := make(chan Finding)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, which is another user's from here on, ends
		_ = syscall.Setfsuid(65534)
		check := Disk(filepath.Join(folder, "data"), "free some space")
		finding := Finding{Verdict: OK}
		if _, err := check.Run(context.Background()); err != nil {
			finding = Check{Name: check.Name, Fix: check.Fix, Run: func(context.Context) (string, error) { return "", err }}.examine(context.Background())
		}
		found <- finding
	}()
	if f := <-found; f.Verdict != Skip || !strings.Contains(f.Detail, "not this user's to look at") {
		t.Errorf("%+v", f)
	}
}

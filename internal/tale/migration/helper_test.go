package migration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestOwnersWhileTheProxyRuns: what it makes and removes meanwhile keeps nothing from being told.
func TestOwnersWhileTheProxyRuns(t *testing.T) {
	testkit.RequireRoot(t)
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	var proxy sync.WaitGroup
	for n := range 4 {
		proxy.Go(func() {
			for ctx.Err() == nil {
				below := filepath.Join(folder, fmt.Sprint(n), "below")
				if err := errors.Join(os.MkdirAll(below, 0o700), os.WriteFile(filepath.Join(below, "f"), nil, 0o600), os.RemoveAll(filepath.Dir(below))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var out bytes.Buffer
	for n := range 400 {
		if err := migration.Helper([]string{[]string{"strays", "own"}[n%2], folder}, &out); err != nil {
			t.Error(err)
			break
		}
	}
	cancel()
	proxy.Wait()
	if err := migration.Helper([]string{"strays", filepath.Join(folder, "absent")}, &out); err == nil {
		t.Error("a folder that is not there has owners")
	}
}

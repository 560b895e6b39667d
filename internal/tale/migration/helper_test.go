package migration_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestOwnersWhileTheProxyRuns: what it makes and removes meanwhile keeps nothing from being told.
func TestOwnersWhileTheProxyRuns(t *testing.T) {
	testkit.RequireRoot(t)
	folder := t.TempDir()
	stop := testkit.Churn(t, folder)
	var out bytes.Buffer
	for n := range 400 {
		if err := migration.Helper([]string{[]string{"strays", "own"}[n%2], folder}, &out); err != nil {
			t.Error(err)
			break
		}
	}
	stop()
	if err := migration.Helper([]string{"strays", filepath.Join(folder, "absent")}, &out); err == nil {
		t.Error("a folder that is not there has owners")
	}
}

// TestAnEmptyVolumeIsNobodys: a first deploy that was interrupted has made it, and the engine gives
// it to the proxy's user with the first container.
func TestAnEmptyVolumeIsNobodys(t *testing.T) {
	testkit.RequireRoot(t)
	folder := t.TempDir()
	for _, want := range []string{"0\n", "2\n"} {
		var out bytes.Buffer
		if err := migration.Helper([]string{"strays", folder}, &out); err != nil || out.String() != want {
			t.Errorf("%q, %v, want %q", out.String(), err, want)
		}
		testkit.WriteTree(t, folder, map[string]string{"account": ""})
	}
}

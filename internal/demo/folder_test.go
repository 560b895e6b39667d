package demo

import (
	"maps"
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestKeptEnvironmentIsWhatTheServiceHad(t *testing.T) {
	f := &folder{path: t.TempDir()}
	want := config.Environ{"COMMAND": "'/a b/sim' --x \"y\"", "EMPTY": "", "SECRET": "a=b$c\\#d\n"}
	if err := f.keep("convex", want); err != nil {
		t.Fatal(err)
	}
	got, _, err := config.Environ{}.WithFile(f.environmentOf("convex"))
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if info, err := os.Stat(f.environmentOf("convex")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the secrets: %v, %v", info.Mode(), err)
	}
}

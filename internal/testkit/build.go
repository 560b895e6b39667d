package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// BuildWithoutCgo builds a program as those that we ship are built, which the
// test binary, with the race detector in it, is not. Every user can execute it.
func BuildWithoutCgo(t *testing.T, folder string) string {
	t.Helper()
	binary := filepath.Join(PublicDir(t), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, folder)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

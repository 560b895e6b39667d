package line

import (
	"os"
	"os/exec"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// OnTerminal runs a command line on a terminal, in a process of the test binary.
func OnTerminal(t *testing.T, dir string, args ...string) *testkit.Terminal {
	t.Helper()
	command := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	command.Dir = dir
	command.Env = append(os.Environ(), testkit.RoleVariable+"=tale")
	return testkit.StartOnTerminal(t, command)
}

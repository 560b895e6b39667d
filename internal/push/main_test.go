package push

import (
	"maps"
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/push/convexcli/clitest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestMain lets the test binary stand for the convex CLI, a real process with
// real requests and signals, and for a process that only pushes.
func TestMain(m *testing.M) {
	programs := map[string]func() int{pusher: pushNatively}
	maps.Copy(programs, clitest.Programs())
	os.Exit(testkit.Main(m, programs))
}

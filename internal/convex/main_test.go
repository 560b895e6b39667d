package convex

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim"
)

// roleVariable makes the test binary one of the programs that the tests run as
// real processes.
const roleVariable = "TALE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "entrypoint":
		os.Exit(cli.Main(Command(config.FromOS())))
	case "backend":
		os.Exit(cli.Main(convexsim.Command()))
	default:
		os.Exit(m.Run())
	}
}

package convex

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim/command"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{
		"entrypoint": func() int { return cli.Main(Command(config.FromOS())) },
		"backend":    func() int { return cli.Main(command.New()) },
	}))
}

package deploy_test

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
)

func TestMain(m *testing.M) {
	os.Exit(enginetest.Main(m, map[string]func() int{
		"tale": func() int { return cli.Main(tale.Command(config.FromOS())) },
	}))
}

// run runs a command line of tale without a terminal.
func run(t *testing.T, environ config.Environ, in string, args ...string) taletest.Result {
	t.Helper()
	return taletest.Run(tale.Command(environ), in, args...)
}

package data_test

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

func TestMain(m *testing.M) {
	os.Exit(enginetest.Main(m, map[string]func() int{
		"tale": func() int { return cli.Main(tale.Command(config.FromOS())) },
	}))
}

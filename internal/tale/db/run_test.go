package db_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
)

// run runs a command line of tale without a terminal.
func run(t *testing.T, environ config.Environ, in string, args ...string) taletest.Result {
	t.Helper()
	return taletest.Run(tale.Command(environ), in, args...)
}

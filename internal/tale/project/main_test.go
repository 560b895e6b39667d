package project

import (
	"io"
	"os"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard) // as the command does
	os.Exit(testkit.Main(m, map[string]func() int{"lock": holdLock}))
}

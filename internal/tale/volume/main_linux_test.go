package volume_test

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

func TestMain(m *testing.M) {
	os.Exit(enginetest.Main(m, map[string]func() int{"copier": copier, "taler": taler}))
}

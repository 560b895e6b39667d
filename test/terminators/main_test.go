package terminators

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/proxy"
)

// beTheProxy makes the test binary run the proxy's command line.
const beTheProxy = "TALE_TEST_PROXY"

func TestMain(m *testing.M) {
	if os.Getenv(beTheProxy) != "" {
		os.Exit(proxy.Main(append([]string{"proxy"}, os.Args[1:]...)))
	}
	os.Exit(m.Run())
}

package terminators

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/proxy/proxytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{proxytest.Role: func() int { return proxy.Main(os.Args) }}))
}

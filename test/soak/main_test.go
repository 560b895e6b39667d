package soak

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/proxy/proxytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

var (
	proxyBinary = flag.String("proxy", "", "`file` of the proxy to check (default: the proxy of this test binary)")
	duration    = flag.Duration("duration", 6*time.Second, "how long the traffic lasts")
	rate        = flag.Int("rate", 60, "requests per second")
	socketCount = flag.Int("sockets", 20, "`number` of WebSockets at a time")
	streams     = flag.Int("streams", 5, "`number` of event streams at a time")
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{proxytest.Role: func() int { return proxy.Main(os.Args) }}))
}

package bluegreen

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/proxy/proxytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

var (
	proxyBinary = flag.String("proxy", "", "`file` of the proxy to check (default: the proxy of this test binary)")
	switches    = flag.Int("switches", 2, "`number` of times one colour replaces the other")
	rate        = flag.Int("rate", 60, "requests per second, a third of them in bursts")
	burst       = flag.Int("burst", 20, "requests in a burst")
	socketCount = flag.Int("sockets", 20, "`number` of WebSockets that are held open")
	pageLoads   = flag.Int("pages", 40, "`number` of pages that are opened before a switch and load their parts after it")
	boot        = flag.Duration("boot", time.Second, "longest `time` a colour takes to boot")
	seed        = flag.Uint64("seed", uint64(time.Now().UnixNano()), "`number` that decides about everything that is left to chance")
)

// This binary also plays the proxy and the colours, in processes of their own.
func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{
		proxytest.Role: func() int { return proxy.Main(os.Args) },
		colourRole: func() int {
			if err := serveColour(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			return 0
		},
	}))
}

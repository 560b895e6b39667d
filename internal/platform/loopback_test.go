package platform

import (
	"net"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// A web server that only its own container reaches passes each probe of that container.
func TestOthersReach(t *testing.T) {
	_, there := netcause.OwnAddress()
	listen := func(address string) int {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		return listener.Addr().(*net.TCPAddr).Port
	}
	alone, all := listen("127.0.0.1:0"), listen("0.0.0.0:0")
	for name, tt := range map[string]struct {
		status string
		port   int
		want   bool
	}{
		"loopback alone":                 {":9180", alone, !there},
		"loopback alone, named address":  {"0.0.0.0:9180", alone, !there},
		"all addresses":                  {":9180", all, true},
		"a stack on the loopback":        {"127.0.0.1:9180", alone, true},
		"a status port that is off":      {"", alone, true},
		"a status port of one interface": {"192.0.2.1:9180", alone, true},
	} {
		if got := othersReach(t.Context(), tt.status, tt.port); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

package upstreams

import (
	"net/netip"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// A name of the proxy's own leads back to it.
func TestItself(t *testing.T) {
	own, there := netcause.OwnAddress()
	if !there {
		t.Log("this machine has the loopback address only")
	} else if got := itself(own, "this container"); got != "; "+own.String()+" is this container itself, the proxy" {
		t.Errorf("got %q", got)
	}
	for name, got := range map[string]string{
		"elsewhere":      itself(netip.MustParseAddr("192.0.2.1"), "this container"),
		"loopback":       itself(netip.MustParseAddr("127.0.0.1"), "this container"),
		"no container":   itself(own, ""),
		"of version six": itself(netip.MustParseAddr("::1"), "this container"),
	} {
		if got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

package netcause_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

func TestOwn(t *testing.T) {
	interfaces, err := net.InterfaceAddrs()
	if err != nil || len(interfaces) == 0 {
		t.Fatalf("no interface: %v", err)
	}
	for _, one := range interfaces {
		if address := netip.MustParsePrefix(one.String()).Addr(); !netcause.Own(address) {
			t.Errorf("%v is not found among our own", address)
		}
	}
	for text, want := range map[string]bool{"127.0.0.1": true, "127.8.9.1": true, "::1": true, "::ffff:127.0.0.1": true, "192.0.2.1": false, "2001:db8::1": false} {
		if got := netcause.Own(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestItself(t *testing.T) {
	_, loopback := net.Dial("tcp", freedAddress(t)) //nolint:noctx // it is refused at once
	own, there := netcause.OwnAddress()
	if !there {
		own = netip.MustParseAddr("127.0.0.1")
	}
	refused := &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: own.AsSlice(), Port: 5432}, Err: errors.New("refused")}
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"refused here":  {fmt.Errorf("cannot log in: %w", refused), there},
		"loopback":      {loopback, false},
		"elsewhere":     {&net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.ParseIP("192.0.2.1"), Port: 5432}, Err: errors.New("refused")}, false},
		"no address":    {&net.OpError{Op: "dial", Err: errors.New("refused")}, false},
		"another error": {errors.New("refused"), false},
		"none":          {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			if address, own := netcause.Itself(tt.err); own != tt.want {
				t.Errorf("%q, %v", address, own)
			}
		})
	}
}

package h3

import (
	"net"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/quic-go/quic-go"

	"github.com/tale-project/tale-runtime/internal/proxy/limits"
)

// Visitors who have shown that they are where their packets come from do not make others
// show it.
func TestAVisitorWithATokenHasAnswered(t *testing.T) {
	for verified, want := range map[bool]bool{true: false, false: true} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
		defer cancel()
		a := &App{limits: new(limits.App)}
		if err := a.limits.Provision(ctx); err != nil {
			t.Fatal(err)
		}
		for i := range byte(100) { // each of a network of its own
			if _, err := a.count(ctx, &quic.ClientInfo{RemoteAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, i), Port: 1234}, AddrVerified: verified}); err != nil {
				t.Fatal(err)
			}
		}
		if got := a.limits.Crowded(&net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 99}); got != want {
			t.Errorf("after visitors whose address is proven (%v), another must prove its own: %v", verified, got)
		}
	}
}

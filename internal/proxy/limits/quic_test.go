package limits

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"
)

// crowdedRoom returns an App with room for so many connections, and a way to take one.
func crowdedRoom(room int) (app *App, take func(address string) *QUICConn) {
	app = &App{connections: ledger{room: room}}
	app.metrics = newMetrics(&app.connections)
	app.refusals.log, app.refusals.quiet = slog.New(slog.DiscardHandler), quietTime
	return app, func(address string) *QUICConn {
		return app.TakeQUIC(net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1234)))
	}
}

// accept ends the handshake of a connection, and returns whether it was closed.
func accept(c *QUICConn) (closed *bool) {
	closed = new(bool)
	c.Accepted(func() { *closed = true })
	return closed
}

func TestAnIdleConnectionOfQUICMakesRoom(t *testing.T) {
	app, take := crowdedRoom(3)
	busy, idle, handshake := take("192.0.2.1"), take("192.0.2.2"), take("192.0.2.3")
	busyClosed, idleClosed := accept(busy), accept(idle)
	done := busy.Busy()
	if take("192.0.2.4") == nil || !*idleClosed || *busyClosed {
		t.Fatalf("the idle connection is closed: %v, the busy one: %v", *idleClosed, *busyClosed)
	}
	if take("192.0.2.5") != nil {
		t.Error("there is room beside connections none of which is idle")
	}
	done()
	idle.Gone() // by its context, too
	handshake.Gone()
	if got := app.connections.count(); got != 2 {
		t.Errorf("%d connections are counted, want 2", got)
	}
	if busy.Gone(); app.connections.idle.Len() != 0 {
		t.Error("a connection that has ended is still idle")
	}
	if done := busy.Busy(); app.connections.idle.Len() != 0 {
		t.Error("a request of a connection that has ended makes it idle")
	} else {
		done()
	}
	if app.connections.idle.Len() != 0 {
		t.Error("a connection that has ended is idle again")
	}
}

func TestACrowdMustProveItsAddress(t *testing.T) {
	app, take := crowdedRoom(0)
	app.Trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for range crowd {
		take("192.0.2.1").Proven()
		take("10.1.1.1").Proven()
	}
	for address, want := range map[string]bool{"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.2.2": false, "10.1.1.1": false} {
		if got := app.Crowded(net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 99))); got != want {
			t.Errorf("%s must prove its address: %v, want %v", address, got, want)
		}
	}
}

// Packets in the names of many networks, which nobody in them has sent.
func TestManyWhoDoNotAnswerMakeEverybodyProveTheirAddress(t *testing.T) {
	app, take := crowdedRoom(0)
	crowded := func() bool {
		return app.Crowded(net.UDPAddrFromAddrPort(netip.MustParseAddrPort("198.51.100.1:99")))
	}
	var all []*QUICConn
	for i := range mostUnproven {
		if crowded() {
			t.Fatalf("with %d connections", i)
		}
		all = append(all, take(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String()))
	}
	for _, end := range []func(){all[0].Proven, all[1].Gone} {
		if !crowded() {
			t.Error("a further one proves nothing")
		}
		end()
		if crowded() {
			t.Error("one is still counted that has answered or ended")
		}
		take("203.0.113.1")
	}
	all[0].Gone()
	all[1].Gone()
	if !crowded() {
		t.Error("an end is counted twice")
	}
}

func TestWhatIsNoQUICIsCountedElsewhere(t *testing.T) {
	c := QUICOf(t.Context())
	c.Accepted(nil)
	c.Proven()
	c.Busy()()
	if c != nil {
		t.Error("there is a connection")
	}
}

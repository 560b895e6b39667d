package roundtrip

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// An upstream that was told of room sends that much: what has come on a connection is bounded
// when there is none yet, and not again with a later request.
func TestARequestTakesNoRoomBack(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer origin.Close()
	before := debug.SetMemoryLimit(1 << 20) // of which a request has 32 KiB
	transport := newTransport(t)
	debug.SetMemoryLimit(before)
	defer transport.Transport.CloseIdleConnections()
	var dialed []net.Conn
	dial := transport.Transport.DialContext
	transport.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		dialed = append(dialed, c)
		return c, err
	}
	const other = 123 << 10
	for i, want := range []int{32 << 10, other} {
		response, _, end := exchange(t, transport, http.MethodGet, origin.Listener.Addr().String(), http.NoBody)
		if response.StatusCode != http.StatusOK || end != nil || len(dialed) != 1 {
			t.Fatalf("%s, %v, by %d connections", response.Status, end, len(dialed))
		}
		raw, err := dialed[0].(*conn).Conn.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if err := raw.Control(func(descriptor uintptr) {
			got, _ = unix.GetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_RCVBUF)
			err = unix.SetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_RCVBUF, other)
		}); err != nil {
			t.Fatal(err)
		}
		// The kernel doubles what it is told, for its own use.
		if got != 2*want || err != nil {
			t.Errorf("after request %d there is room for %d, %v, want %d", i+1, got, err, 2*want)
		}
	}
}

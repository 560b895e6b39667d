package bulk_test

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(counter{}) }

// sent counts what goes to the kernel, of all connections. It is one for all
// tests because Caddy makes its modules itself.
var sent atomic.Int64

// counter is a listener wrapper below all others.
type counter struct{}

func (counter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners.test_counter", New: func() caddy.Module { return new(counter) }}
}

func (*counter) WrapListener(l net.Listener) net.Listener { return countingListener{l} }

type countingListener struct{ net.Listener }

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c}, err
}

type countingConn struct{ net.Conn }

func (c countingConn) Write(p []byte) (int, error) {
	sent.Add(1)
	return c.Conn.Write(p)
}

// One of 16 KiB for each record would be two hundred.
func TestALargeAnswerTakesFewSystemCalls(t *testing.T) {
	v := newVisitor(t, false, func(w http.ResponseWriter, _ *http.Request) {
		announce(w, large)
		_, _ = w.Write(make([]byte, large))
	})
	for range 2 { // the first has the handshake
		before := sent.Load()
		if _, err := io.Copy(io.Discard, v.get(t.Context()).Body); err != nil {
			t.Fatal(err)
		}
		if calls := sent.Load() - before; calls > large/(32<<10) {
			t.Errorf("%d writes", calls)
		}
	}
}

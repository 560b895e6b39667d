package limits

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// visit opens a connection from an address of this machine.
func visit(t *testing.T, to net.Addr, from string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	c, err := dialer.DialContext(t.Context(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// get makes one request and reports whether it was answered.
func get(t *testing.T, c net.Conn, path string) bool {
	t.Helper()
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.Body.Close() == nil
}

// served returns a server whose connections are counted. It holds answers to /hold
// until its end.
func served(t *testing.T, a *App) net.Addr {
	t.Helper()
	release := make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Minute, ConnState: changed, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-release
		}
	})}
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve((&Listener{app: a}).WrapListener(inner))
	}()
	t.Cleanup(func() {
		close(release)
		_ = server.Close()
		<-done
	})
	return inner.Addr()
}

func counted(t *testing.T, counter prometheus.Counter) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(counter)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families[0].GetMetric()[0].GetCounter().GetValue()
}

func (l *ledger) idleCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle.Len()
}

func TestConnectionsOfANetworkAreLimited(t *testing.T) {
	a := testApp()
	a.connections.most = 3
	a.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.8/31")}
	server := served(t, a)
	var held []net.Conn
	for n := range 5 {
		c := visit(t, server, "127.0.0.2")
		if got := get(t, c, "/"); got != (n < 3) {
			t.Errorf("connection %d is served: %v", n, got)
		}
		held = append(held, c)
	}
	if !get(t, visit(t, server, "127.0.0.3"), "/") {
		t.Error("another network is not served")
	}
	for range 5 {
		if !get(t, visit(t, server, "127.0.0.9"), "/") {
			t.Error("a trusted peer is not served")
		}
	}
	if got := counted(t, a.metrics.refused.WithLabelValues(string(tooManyConnections))); got != 2 {
		t.Errorf("%v refusals are counted", got)
	}
	_ = held[0].Close()
	testkit.Eventually(t, "it is counted no longer", func() bool { return a.connections.count() == 8 })
	if !get(t, visit(t, server, "127.0.0.2"), "/") {
		t.Error("what was given back is not there")
	}
}

func TestIdleConnectionsMakeRoomAndBusyOnesDoNot(t *testing.T) {
	a := testApp()
	a.connections.room = 4
	server := served(t, a)
	busy := visit(t, server, "127.0.0.2")
	if _, err := io.WriteString(busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var idle []net.Conn
	for n, from := range []string{"127.0.0.3", "127.0.0.4", "127.0.0.5"} {
		c := visit(t, server, from)
		if !get(t, c, "/") {
			t.Fatalf("%s is not served", from)
		}
		idle = append(idle, c)
		testkit.Eventually(t, "it is idle", func() bool { return a.connections.idleCount() == n+1 })
	}
	if !get(t, idle[0], "/") { // so that it is no longer the longest idle
		t.Fatal("an idle connection is not kept")
	}
	testkit.Eventually(t, "it is idle again", func() bool { return a.connections.idleCount() == 3 })
	if !get(t, visit(t, server, "127.0.0.6"), "/") {
		t.Error("there is no room for another, beside three idle ones")
	}
	if _, err := idle[1].Read(make([]byte, 1)); err == nil {
		t.Error("the longest idle was not closed")
	}
	if !get(t, idle[0], "/") || !get(t, idle[2], "/") {
		t.Error("one more was closed")
	}
	_ = busy.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := busy.Read(make([]byte, 1)); err == io.EOF {
		t.Error("the busy one was closed")
	}
	if got := counted(t, a.metrics.shed); got != 1 {
		t.Errorf("%v connections are counted as shed", got)
	}
}

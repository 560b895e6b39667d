package limits

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// conn is a connection that is counted until it is closed.
type conn struct {
	net.Conn
	app     *App
	network netip.Prefix
	remote  remoteAddr
	unsent  *buffer
	idle    *list.Element // used by the connection's server only
	closed  sync.Once
	plain   bool // without TLS
	greeted bool // something was read
	handshake
}

func newConn(accepted net.Conn, app *App, network netip.Prefix) *conn {
	c := &conn{Conn: accepted, app: app, network: network, unsent: app.unsent(accepted)}
	c.remote = remoteAddr{accepted.RemoteAddr(), c}
	return c
}

func (c *conn) Read(p []byte) (int, error) {
	c.done(c.app.pace)
	n, err := c.Conn.Read(p)
	if n > 0 && !c.greeted {
		c.greeted = true
		c.app.greetings.see(p[:n], c.remote.Addr, c.plain)
	}
	c.received(p[:n], c.app.pace)
	return n, err
}

func (c *conn) Close() error {
	c.closed.Do(func() { c.app.connections.give(c.network) })
	c.done(c.app.pace)
	return c.Conn.Close()
}

// RemoteAddr returns how the server's hooks find the connection, which others have
// wrapped: the address is what all of them hand on.
func (c *conn) RemoteAddr() net.Addr { return &c.remote }

type remoteAddr struct {
	net.Addr
	conn *conn
}

func connOf(outer net.Conn) *conn {
	if address, ok := outer.RemoteAddr().(*remoteAddr); ok {
		return address.conn
	}
	return nil
}

// connKey is where requests have the connection that they came on.
type connKey struct{}

// changed follows a connection of the server. Its states do not overlap.
func changed(outer net.Conn, state http.ConnState) {
	c := connOf(outer)
	if c == nil {
		return
	}
	if c.idle != nil {
		c.app.connections.wake(c.idle)
		c.idle = nil
	}
	switch state {
	case http.StateIdle:
		c.idle = c.app.connections.rest(c)
	case http.StateActive:
		c.unsent.bound()
	}
}

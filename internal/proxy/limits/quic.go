package limits

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"sync"
)

// mostUnproven is how many connections over QUIC there may be whose visitor has not
// answered yet, before every new one must prove its address: a packet in the name of somebody
// who is not there holds a connection for seconds, and there are more names than any limit by
// network has a use for.
const mostUnproven = 32

// crowd is how many connections a network may have before new ones over QUIC must
// prove that their address is theirs. A household behind one address has fewer.
const crowd = 16

// QUICConn is a connection of HTTP/3. It is counted until Gone is called.
type QUICConn struct {
	app     *App
	network netip.Prefix

	mu     sync.Mutex
	busy   int // requests and sockets; one more until it is accepted
	mark   *list.Element
	close  func()
	gone   bool
	proven sync.Once
}

type quicKey struct{}

// Crowded reports whether a network has so many connections that further packets
// might come from somebody else, in its name, or whether too many visitors, wherever they are,
// have not answered yet.
func (a *App) Crowded(peer net.Addr) bool {
	if a.unproven.Load() >= mostUnproven {
		return true
	}
	network := a.networkOf(addressOf(peer))
	return network != anybody && a.connections.of(network) >= crowd
}

// TakeQUIC counts a new connection, or returns nil if it is refused.
func (a *App) TakeQUIC(peer net.Addr) *QUICConn {
	c := &QUICConn{app: a, network: a.networkOf(addressOf(peer)), busy: 1}
	if !a.admit(c.network) {
		return nil
	}
	a.unproven.Add(1)
	return c
}

// Proven notes that the visitor has answered, and so is where its packets come from.
func (c *QUICConn) Proven() {
	if c != nil {
		c.proven.Do(func() { c.app.unproven.Add(-1) })
	}
}

// In returns a context in which QUICOf finds the connection.
func (c *QUICConn) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, quicKey{}, c)
}

// QUICOf returns the connection that a context belongs to; nil, on which every method
// does nothing, if it is none of QUIC.
func QUICOf(ctx context.Context) *QUICConn {
	c, _ := ctx.Value(quicKey{}).(*QUICConn)
	return c
}

// Accepted notes that the server has it. From now on, whenever no request is under
// way, the connection may be closed to make room.
func (c *QUICConn) Accepted(closeIt func()) {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.close = closeIt
	c.mu.Unlock()
	c.rest()
}

// Busy notes that a request begins, and returns what notes that it has ended.
func (c *QUICConn) Busy() (done func()) {
	if c == nil {
		return func() {}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
	c.wake()
	return c.rest
}

func (c *QUICConn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy--; c.busy == 0 && !c.gone {
		c.mark = c.app.connections.rest(c)
	}
}

func (c *QUICConn) wake() {
	if c.mark != nil {
		c.app.connections.wake(c.mark)
		c.mark = nil
	}
}

// Gone notes that the connection has ended.
func (c *QUICConn) Gone() {
	c.Proven()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.gone = true
	c.wake()
	c.app.connections.give(c.network)
}

// Close makes room for another one.
func (c *QUICConn) Close() error {
	c.Gone()
	c.close()
	return nil
}

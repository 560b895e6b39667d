package bulk

import (
	"net"
	"net/http"
	"sync"
)

// conn is a connection that can collect what is written to it.
type conn struct {
	net.Conn

	mu         sync.Mutex
	collecting bool
	held       []byte
	// err ends all writing: after a part of what was held has been sent, nothing
	// that follows would make sense to the other side.
	err error
}

// Write sends p, or holds it while the connection collects and has room.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if !c.collecting {
		return c.Conn.Write(p)
	}
	if len(c.held)+len(p) > cap(c.held) {
		if err := c.send(); err != nil {
			return 0, err
		}
	}
	if len(p) > cap(c.held) {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// collect makes the following writes go into buffer.
func (c *conn) collect(buffer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.collecting, c.held = true, buffer[:0]
}

// release sends what was collected, in one piece, and leaves the buffer alone.
func (c *conn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.send()
	c.collecting, c.held = false, nil
	return err
}

func (c *conn) send() error {
	if c.err != nil || len(c.held) == 0 {
		return c.err
	}
	_, c.err = c.Conn.Write(c.held)
	c.held = c.held[:0]
	return c.err
}

// LocalAddr returns how a handler finds the connection of its request: the local
// address is the one thing of it that net/http hands on.
func (c *conn) LocalAddr() net.Addr { return localAddr{c.Conn.LocalAddr(), c} }

type localAddr struct {
	net.Addr
	conn *conn
}

// connOf returns the connection that carries the answer to a request and nothing
// else: not one of HTTP/2, where answers to several take turns. It is nil where
// there is none.
func connOf(r *http.Request) *conn {
	if r.ProtoMajor != 1 {
		return nil
	}
	address, _ := r.Context().Value(http.LocalAddrContextKey).(localAddr)
	return address.conn
}

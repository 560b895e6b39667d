package roundtrip

import (
	"net"
	"sync"
	"sync/atomic"
)

// conn is a connection to an upstream on which a write fails only when there is
// nothing left to read, or when the connection was closed. A server that answers
// early and closes refuses the rest of the body, but its answer is there already;
// net/http takes the failure of the write for that of the request.
type conn struct {
	net.Conn
	once  sync.Once
	end   chan struct{} // closed with the first failure to read
	reads atomic.Int64  // that brought something
	// before is reads when the present request was first written; unwritten until then.
	before atomic.Int64
}

const unwritten = -1

func newConn(inner net.Conn) *conn { return &conn{Conn: inner, end: make(chan struct{})} }

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.reads.Add(1)
	}
	if err != nil {
		c.ended()
	}
	return n, err
}

// Write needs no time limit of its own: a connection that cannot be written to
// any more has an end to be read, and net/http reads all the time.
func (c *conn) Write(p []byte) (int, error) {
	c.before.CompareAndSwap(unwritten, c.reads.Load())
	n, err := c.Conn.Write(p)
	if err != nil {
		<-c.end
	}
	return n, err
}

// begin is to be called before a request is written.
func (c *conn) begin() { c.before.Store(unwritten) }

// isStray reports whether all that was read was there before the present request.
func (c *conn) isStray() bool {
	before := c.before.Load()
	return before == unwritten || c.reads.Load() == before
}

func (c *conn) Close() error {
	c.ended()
	return c.Conn.Close()
}

func (c *conn) ended() { c.once.Do(func() { close(c.end) }) }

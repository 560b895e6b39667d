package bulk

import (
	"io"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// answer is the way from an upstream to a visitor, seen from both ends: the
// reverse proxy reads from a body of it and writes to it. With the first write
// after a large body was offered, the rest is copied here; what the reverse proxy
// reads next is the end of it.
type answer struct {
	caddyhttp.ResponseWriterWrapper
	conn    *conn // nil: nothing to collect on
	pieces  *pool
	offered *body
}

// body is an upstream's, whose end may have been met by the answer.
type body struct {
	io.ReadCloser
	end error // io.EOF, or why it broke off; nil: not met
}

func (b *body) Read(p []byte) (int, error) {
	if b.end != nil {
		return 0, b.end
	}
	return b.ReadCloser.Read(p)
}

func (a *answer) offer(upstream io.ReadCloser) io.ReadCloser {
	a.offered = &body{ReadCloser: upstream}
	return a.offered
}

// Write passes p on and, once, what follows of the body that was offered.
func (a *answer) Write(p []byte) (int, error) {
	n, err := a.ResponseWriter.Write(p)
	from := a.offered
	if err != nil || from == nil {
		return n, err
	}
	a.offered = nil
	if one := a.pieces.take(); one != nil {
		defer a.pieces.put(one)
		err = a.copy(from, one)
	}
	return n, err
}

// copy returns why the visitor could not be written to; the upstream's end goes
// to the body.
func (a *answer) copy(from *body, one *piece) error {
	for from.end == nil {
		var n int
		n, from.end = from.ReadCloser.Read(one.read)
		if n == 0 {
			continue
		}
		if err := a.pass(one.read[:n], one.collected); err != nil {
			return err
		}
	}
	return nil
}

func (a *answer) pass(p, collected []byte) (err error) {
	if a.conn != nil {
		a.conn.collect(collected)
		// Deferred: a connection that kept a buffer after a panic would write into
		// somebody else's.
		defer func() {
			if sent := a.conn.release(); err == nil {
				err = sent
			}
		}()
	}
	_, err = a.ResponseWriter.Write(p)
	return err
}

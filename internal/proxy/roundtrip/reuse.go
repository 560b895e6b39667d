package roundtrip

import (
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
)

// reuse is the use of a connection that has carried another request before. A server may
// have sent more than that one's answer: a body where there is none, or a second
// answer. Net/http closes such a connection when it looks at it before the next request
// comes; when it does not, it takes what is there for the next answer, which would be
// another visitor's.
type reuse struct {
	conn  atomic.Pointer[conn] // nil: it is a new one, on which a server may speak first
	stray atomic.Bool
}

// watch returns the request with u told of its connection, and of the first byte of its answer.
func (u *reuse) watch(r *http.Request) *http.Request {
	trace := httptrace.ContextClientTrace(r.Context())
	// Caddy makes one for each attempt, and asks for neither.
	if trace == nil || trace.GotConn != nil || trace.GotFirstResponseByte != nil {
		trace = &httptrace.ClientTrace{}
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
	}
	trace.GotConn, trace.GotFirstResponseByte = u.begin, u.answered
	if inform := trace.Got1xxResponse; inform != nil {
		trace.Got1xxResponse = func(status int, header textproto.MIMEHeader) error {
			if u.stray.Load() {
				return errStray
			}
			return inform(status, header)
		}
	}
	return r
}

func (u *reuse) begin(info httptrace.GotConnInfo) {
	c, ours := info.Conn.(*conn)
	if !ours || !info.Reused {
		c = nil
	} else {
		c.begin()
	}
	u.conn.Store(c)
}

// answered closes the connection if the answer begins with what was there before the
// request. It is called when the first byte was read, and nothing behind it, before the
// connection can be another request's.
func (u *reuse) answered() {
	if c := u.conn.Load(); c != nil && c.isStray() {
		u.stray.Store(true)
		_ = c.Close()
	}
}

var errStray = errors.New("the upstream has sent more than the answer before")

package roundtrip

import (
	"errors"
	"net/http/httptrace"
)

// reuse is the use of a connection that has carried another request before. A server may
// have sent more than that one's answer: a body where there is none, or a second
// answer. Net/http closes such a connection when it looks at it before the next request
// comes; when it does not, it takes what is there for the next answer, which would be
// another visitor's.
type reuse struct {
	conn  *conn // nil: it is a new one
	reads int64 // when the request got it
}

func (u *reuse) begin(info httptrace.GotConnInfo) {
	*u = reuse{}
	if c, ok := info.Conn.(*conn); ok && info.Reused {
		*u = reuse{c, c.reads.Load()}
	}
}

var errStray = errors.New("the upstream has sent more than the answer before")

// refuseStray returns an error, and closes the connection, if an answer came without
// anything having been read since the request began: it was there before.
func (u *reuse) refuseStray() error {
	if u.conn == nil || u.conn.reads.Load() > u.reads {
		return nil
	}
	_ = u.conn.Close()
	return errStray
}

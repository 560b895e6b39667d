package roundtrip

import (
	"errors"
	"net"
	"net/http/httptrace"
	"testing"
	"time"
)

// An answer counts when something was read since its request began; on a new connection
// a server may speak first.
func TestAnAnswerThatWasThereBeforeIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		reused, read bool
		want         error
	}{
		"there before":   {true, false, errStray},
		"read since":     {true, true, nil},
		"new connection": {false, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer func() { _ = theirs.Close() }()
			c := newConn(ours)
			receive := func() {
				go func() { _, _ = theirs.Write([]byte("x")) }()
				if _, err := c.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			receive() // the answer before
			var used reuse
			used.begin(httptrace.GotConnInfo{Conn: c, Reused: tt.reused})
			if tt.read {
				receive()
			}
			if err := used.refuseStray(); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			if err := ours.SetDeadline(time.Time{}); (err != nil) != (tt.want != nil) {
				t.Errorf("the connection is closed: %v", err)
			}
		})
	}
}

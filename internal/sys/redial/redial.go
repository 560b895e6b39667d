// Package redial opens connections to what may be replaced at the same moment. A packet to
// an address whose service is on its way between two nodes or processes is lost without an
// answer: the kernel sends it again after a second, and where the way was chosen by the
// first packet, as for the address of a service in Kubernetes, it goes the old way for ever.
//
// The tries for an address where nobody answers end with the dial's own time limit:
// http.Transport dials with a context that goes on when the request has ended.
package redial

import (
	"context"
	"net"
	"time"
)

// first is how long a connection may take before another is tried: many times what one
// needs inside of a cluster. The next one has twice that, and so on.
const first = 100 * time.Millisecond

// most is how many tries there may be: where an address is dead they all hang.
const most = 5

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

type outcome struct {
	conn net.Conn
	err  error
}

// Beside returns a dial that tries again beside a try that hangs, a few times. The first try
// that has an outcome decides, and an error is one: what refuses now will refuse the others
// too. How long they may hang is up to dial and to the context.
func Beside(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		outcomes, decided := make(chan outcome), make(chan struct{})
		defer close(decided)
		pause := first
		again := time.NewTimer(pause)
		defer again.Stop()
		for tries := 1; ; tries++ {
			go func() {
				conn, err := dial(ctx, network, address)
				select {
				case outcomes <- outcome{conn, err}:
				case <-decided:
					hangUp(conn)
				}
			}()
			if tries == most {
				again.Stop()
			}
			select {
			case decisive := <-outcomes:
				return decisive.conn, decisive.err
			case <-again.C:
				pause *= 2
				again.Reset(pause)
			}
		}
	}
}

// hangUp closes a connection that came too late, if there is one.
func hangUp(conn net.Conn) {
	if conn != nil {
		_ = conn.Close() // nobody has used it
	}
}

// Package redial opens connections to what may be replaced at the same moment. A packet to
// an address whose service is on its way between two nodes or processes is lost without an
// answer: the kernel sends it again after a second, and where the way was chosen by the
// first packet, as for the address of a service in Kubernetes, it goes the old way for ever.
package redial

import (
	"context"
	"net"
	"time"
)

// every is how long a connection may take before another is tried: many times what one
// needs inside of a cluster.
const every = 100 * time.Millisecond

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

type outcome struct {
	conn net.Conn
	err  error
}

// Beside returns a dial that tries again beside a try that hangs. The first try that has an
// outcome decides, and an error is one: what refuses now will refuse the others too. How long
// they may hang is up to dial and to the context.
func Beside(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		outcomes, decided := make(chan outcome), make(chan struct{})
		defer close(decided)
		again := time.NewTicker(every)
		defer again.Stop()
		for {
			go func() {
				conn, err := dial(ctx, network, address)
				select {
				case outcomes <- outcome{conn, err}:
				case <-decided:
					hangUp(conn)
				}
			}()
			select {
			case first := <-outcomes:
				return first.conn, first.err
			case <-again.C:
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

package tunnel

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"
)

// halfOpenPatience is how long the other direction of a tunnel may be silent
// after one has ended. A WebSocket ends on both sides; one that does not must not
// hold its resources for ever.
const halfOpenPatience = 30 * time.Second

// past is a deadline that wakes a reader.
var past = time.Unix(1, 0)

// side is one end of a tunnel: a connection, or a client's stream.
type side interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// tunnel is one WebSocket: two sides and a goroutine for each direction.
type tunnel struct {
	up, down direction // client to upstream, upstream to client
	onStream bool      // the client's side is a stream
	began    time.Time
	patience time.Duration // with a side that is to answer a close frame

	stop     atomic.Int64 // unix nanoseconds of the deadline; zero: goes on
	halfOpen atomic.Bool  // one direction has ended
	running  atomic.Int32

	ended   func(*tunnel)
	release func() // of what the visitor holds with it
	log     *slog.Logger
}

func newTunnel(client, upstream side, log *slog.Logger, ended func(*tunnel)) *tunnel {
	_, onStream := client.(*stream)
	t := &tunnel{
		up:       direction{from: client, to: upstream, goodbye: maskedCloseFrame},
		down:     direction{from: upstream, to: client, goodbye: closeFrame},
		onStream: onStream,
		began:    time.Now(),
		ended:    ended,
		log:      log,
	}
	t.running.Store(2)
	return t
}

// prime passes on what was read together with the handshake, before the tunnel
// starts.
func (t *tunnel) prime(fromClient, fromUpstream []byte, patience time.Duration) error {
	for d, early := range map[*direction][]byte{&t.up: fromClient, &t.down: fromUpstream} {
		if len(early) == 0 {
			continue
		}
		if err := d.to.SetWriteDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		d.frames.pass(early)
		d.bytes += int64(len(early))
		if _, err := d.to.Write(early); err != nil {
			return err
		}
		if err := d.to.SetWriteDeadline(time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// start lets both directions run. It returns at once.
func (t *tunnel) start() {
	go t.run(&t.up)
	go t.run(&t.down)
}

func (t *tunnel) run(d *direction) {
	err := d.copy(t)
	switch {
	case err == nil:
		t.end(d)
	case errors.Is(err, errGoingAway):
	default:
		t.log.Debug("websocket broke", "error", err)
		t.abort()
	}
	if t.running.Add(-1) == 0 {
		t.abort()
		t.ended(t)
	}
}

// end tells the receiver of a direction that nothing more will come, and leaves
// the other direction some time to end as well.
func (t *tunnel) end(d *direction) {
	t.halfOpen.Store(true)
	half, ok := d.to.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		t.abort()
		return
	}
	t.keepHalfOpen(d.to)
}

// keepHalfOpen renews the time a sender has when the other direction has ended.
func (t *tunnel) keepHalfOpen(from side) {
	if !t.halfOpen.Load() {
		return
	}
	_ = from.SetReadDeadline(time.Now().Add(halfOpenPatience)) // a closed connection says so when it is read
	if !t.stopping().IsZero() {
		_ = from.SetReadDeadline(past)
	}
}

// leave makes both directions end politely, by the deadline at the latest. It
// returns at once; ended is called when they have.
func (t *tunnel) leave(deadline time.Time) {
	if !t.stop.CompareAndSwap(0, deadline.UnixNano()) {
		return
	}
	// Reads end now; whoever is in the middle of a frame reads on. Writes have
	// until the deadline.
	for _, conn := range []side{t.up.from, t.down.from} {
		if conn.SetWriteDeadline(deadline) != nil || conn.SetReadDeadline(past) != nil {
			t.abort()
		}
	}
}

// stopping returns the deadline by which the tunnel must end, or zero.
func (t *tunnel) stopping() time.Time {
	if nanos := t.stop.Load(); nanos != 0 {
		return time.Unix(0, nanos)
	}
	return time.Time{}
}

// abort closes both connections, which ends both directions.
func (t *tunnel) abort() {
	_ = t.up.from.Close()
	_ = t.up.to.Close()
}

// kill is abort without the goodbye of TLS, which can wait for a client that
// does not read.
func (t *tunnel) kill() {
	if conn, ok := t.up.from.(interface{ NetConn() net.Conn }); ok {
		_ = conn.NetConn().Close()
	}
	t.abort()
}

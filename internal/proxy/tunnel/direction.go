package tunnel

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// idleBuffer is what a direction holds while it waits. Most messages of the
	// sync protocol fit.
	idleBuffer = 1 << 10
	// busyBuffer is borrowed while more is there than fits: the size of a TLS
	// record.
	busyBuffer = 16 << 10
)

// busyBuffers are shared by all directions of all tunnels.
var busyBuffers = sync.Pool{New: func() any { return new([busyBuffer]byte) }}

// direction is one way through a tunnel.
type direction struct {
	from, to side
	frames   frames
	goodbye  func() []byte // the close frame for the receiver
	idle     [idleBuffer]byte
	bytes    int64
}

// errGoingAway ends a direction whose receiver was sent a close frame, or is gone.
var errGoingAway = errors.New("the proxy or the upstream is going away")

// copy passes bytes on until the sender ends (nil), something breaks, or the
// tunnel ends. A receiver that is slow makes the sender wait.
func (d *direction) copy(t *tunnel) error {
	buffer := d.idle[:]
	defer func() { d.giveBack(buffer) }()
	for {
		n, err := d.from.Read(buffer)
		if n > 0 {
			if stop := t.stopping(); !stop.IsZero() {
				return d.leave(buffer[:n], stop)
			}
			d.frames.pass(buffer[:n])
			d.bytes += int64(n)
			if _, werr := d.to.Write(buffer[:n]); werr != nil {
				return d.cannotPass(t, werr)
			}
			buffer = d.resize(buffer, n)
		}
		if err == nil {
			t.keepHalfOpen(d.from)
			continue
		}
		if stop := t.stopping(); !stop.IsZero() {
			return d.leave(nil, stop)
		}
		return d.senderEnded(t, err)
	}
}

// senderEnded ends the direction whose sender says nothing more. An upstream that goes
// without a close frame, as one does whose process ends, is the going away of the server
// for the client, who would have to take it for a failure of the network.
func (d *direction) senderEnded(t *tunnel, err error) error {
	if d == &t.down && !d.frames.closed() {
		t.leave(time.Now().Add(t.patience))
		return d.leave(nil, t.stopping())
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// cannotPass ends the direction whose receiver is gone. What the upstream has said before
// is still passed to the client, by the other direction, and so is its end.
func (d *direction) cannotPass(t *tunnel, err error) error {
	if d == &t.down {
		return err
	}
	return d.drain(nil, time.Now().Add(t.patience))
}

// resize borrows a large buffer when the small one was full, and gives it back as
// soon as a read does not fill it: whoever waits holds the small one.
func (d *direction) resize(buffer []byte, n int) []byte {
	switch {
	case n < len(buffer) && len(buffer) == busyBuffer:
		d.giveBack(buffer)
		return d.idle[:]
	case n == len(buffer) && len(buffer) == idleBuffer:
		return borrow()
	default:
		return buffer
	}
}

func borrow() []byte {
	buffer, _ := busyBuffers.Get().(*[busyBuffer]byte)
	return buffer[:]
}

func (d *direction) giveBack(buffer []byte) {
	if len(buffer) == busyBuffer {
		busyBuffers.Put((*[busyBuffer]byte)(buffer))
	}
}

// leave ends the direction politely by the deadline: the frame at hand is passed
// to its end, and the receiver gets a close frame. One that is gone gets neither.
func (d *direction) leave(rest []byte, deadline time.Time) error {
	rest, err := d.finishFrame(rest, deadline)
	if err != nil {
		return err
	}
	if !d.frames.closed() {
		_, _ = d.to.Write(d.goodbye())
	}
	return d.drain(rest, deadline)
}

// finishFrame passes on the rest of the frame at hand and returns what was read
// beyond it.
func (d *direction) finishFrame(rest []byte, deadline time.Time) (beyond []byte, err error) {
	for {
		n := d.frames.finish(rest)
		d.bytes += int64(n)
		_, _ = d.to.Write(rest[:n])
		if d.frames.between() {
			return rest[n:], nil
		}
		if n, err = d.read(deadline); err != nil {
			return nil, err
		}
		rest = d.idle[:n]
	}
}

// drain reads what the sender still says until it has answered the close frame of the
// other direction: to close a connection with bytes unread resets it, and the close frame
// with it.
func (d *direction) drain(rest []byte, deadline time.Time) error {
	d.frames.pass(rest)
	for !d.frames.closed() {
		n, err := d.read(deadline)
		if err != nil {
			break
		}
		d.frames.pass(d.idle[:n])
	}
	return errGoingAway
}

// read reads into idle until the deadline. The tunnel, when it is told to end,
// wakes readers with a deadline that has passed; that one may come late.
func (d *direction) read(deadline time.Time) (int, error) {
	for {
		if err := d.from.SetReadDeadline(deadline); err != nil {
			return 0, err
		}
		n, err := d.from.Read(d.idle[:])
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(deadline) {
			return n, err
		}
	}
}

package limits

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

const (
	recordHeaderSize = 5
	handshakeRecord  = 22 // RFC 8446, section 5.1
	// pacePatience is how long a handshake waits for its turn. Beyond that it goes
	// on without one: late is better than never.
	pacePatience = 5 * time.Second
)

// pace lets as many TLS handshakes compute at once as there are processors. When a
// thousand sockets come back together, each takes a millisecond or so, and the
// scheduler would put every step of every other request behind all of them.
//
// A turn begins when the client's greeting is complete, and ends when the server
// has answered it and reads on: who sends slowly holds no turn.
type pace chan struct{}

// handshake is where a connection's is.
type handshake struct {
	missing int // bytes of the greeting
	begun   bool
	over    bool // there is nothing more to pace
	turn    atomic.Bool
}

// received is called with what the server is about to read, and waits for a turn
// when the greeting is complete.
func (h *handshake) received(p []byte, pace pace) {
	if h.over || len(p) == 0 {
		return
	}
	if !h.begun {
		h.begun = true
		if len(p) < recordHeaderSize || p[0] != handshakeRecord {
			h.over = true // plain text, or in pieces that no client makes
			return
		}
		h.missing = recordHeaderSize + int(binary.BigEndian.Uint16(p[3:]))
	}
	if h.missing -= len(p); h.missing > 0 {
		return
	}
	h.over = true
	patience := time.NewTimer(pacePatience)
	defer patience.Stop()
	select {
	case pace <- struct{}{}:
		h.turn.Store(true)
	case <-patience.C:
	}
}

// done gives the turn back, if there is one.
func (h *handshake) done(pace pace) {
	if h.turn.CompareAndSwap(true, false) {
		<-pace
	}
}

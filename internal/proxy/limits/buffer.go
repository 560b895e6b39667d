package limits

import (
	"math/bits"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// bufferShare is the part of the memory that all buffers of one direction begin with;
	// each takes its part of it when its request comes, so that they have some three times
	// as much together.
	bufferShare = 32
	leastBuffer = 16 << 10 // a record of TLS
	mostBuffer  = 4 << 20  // from there the kernel decides, whose own limits are about that
)

// bufferFor returns how many bytes the kernel may hold for one direction of a connection
// while so many requests are under way.
func bufferFor(memory uint64, requests int) int {
	share := memory / bufferShare / uint64(max(requests, 1)) //nolint:gosec // not negative
	share = min(max(share, leastBuffer), mostBuffer)
	return 1 << (bits.Len64(share) - 1) // few steps: each change is a system call
}

// buffer is what the kernel holds of a connection for those who do not read. Of one visitor
// who takes nothing of a large answer it is some megabytes if the kernel decides: what was
// sent to the visitor, and what the upstream goes on to send. It belongs to one goroutine at a
// time.
type buffer struct {
	app    *App
	conn   syscall.RawConn // nil: it has no buffer of the kernel
	level  int
	option int
	size   int // 0: the kernel decides
}

// BoundUnread bounds what has come on a new connection to an upstream, once: an upstream that
// was told of more room sends that much, what finds none is lost, and it is a fifth of a second
// until it comes again. There are as many connections to an upstream as it had requests under
// way, so that they share the memory all the same.
func (a *App) BoundUnread(c net.Conn) {
	a.buffer(c, unix.SOL_SOCKET, unix.SO_RCVBUF).bound()
}

// unsent returns the buffer of what waits to be sent to a visitor. What is on its way is not
// part of it, so that it does not slow down who is far away.
func (a *App) unsent(c net.Conn) *buffer {
	return a.buffer(c, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
}

func (a *App) buffer(c net.Conn, level, option int) *buffer {
	b := &buffer{app: a, level: level, option: option}
	if inner, ok := c.(syscall.Conn); ok {
		b.conn, _ = inner.SyscallConn() // fails if it is closed
	}
	return b
}

// bound gives the buffer its share of the memory. A connection that has ended meanwhile
// needs none.
func (b *buffer) bound() {
	size := bufferFor(b.app.memory, b.app.requests.count())
	if size == b.size || b.size == 0 && size == mostBuffer || b.conn == nil {
		return
	}
	b.size = size
	_ = b.conn.Control(func(descriptor uintptr) {
		_ = unix.SetsockoptInt(int(descriptor), b.level, b.option, size)
	})
}

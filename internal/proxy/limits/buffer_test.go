package limits

import (
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestBuffersShareTheMemory(t *testing.T) {
	for _, tt := range []struct {
		memory   uint64
		requests int
		want     int
	}{
		{16 << 30, 1, mostBuffer},
		{16 << 30, 128, mostBuffer},
		{16 << 30, 1000, 512 << 10},
		{512 << 20, 0, mostBuffer},
		{512 << 20, 4, mostBuffer},
		{512 << 20, 5, mostBuffer / 2},
		{512 << 20, 500, 32 << 10},
		{64 << 20, 3, 512 << 10},
		{64 << 20, 1000, leastBuffer},
		{1 << 20, 1, 32 << 10},
	} {
		if got := bufferFor(tt.memory, tt.requests); got != tt.want {
			t.Errorf("%d MiB and %d requests: %d, want %d", tt.memory>>20, tt.requests, got, tt.want)
		}
	}
}

// All that visitors and upstreams fill one after the other, and never take, is a part of
// the memory.
func TestBuffersStayWithinTheMemory(t *testing.T) {
	for _, memory := range []uint64{64 << 20, 128 << 20, 512 << 20, 4 << 30} {
		sum := 0
		most := roomForAnswers(memory * 7 / 10)
		for requests := range most {
			sum += 2 * bufferFor(memory, requests)
		}
		if share := float64(sum) / float64(memory); share > 0.5 {
			t.Errorf("%d MiB: %d answers take %.2f of it", memory>>20, most, share)
		}
	}
}

func optionOf(t *testing.T, c net.Conn, level, option int) (value int) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(descriptor uintptr) { value, _ = unix.GetsockoptInt(int(descriptor), level, option) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestABufferFollowsTheRequests(t *testing.T) {
	address := testkit.Listen(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	a := &App{memory: 64 << 20}
	enough := &App{memory: 1 << 40}
	for _, b := range []*buffer{enough.buffer(c, unix.SOL_SOCKET, unix.SO_RCVBUF), enough.unsent(c)} {
		before := optionOf(t, c, b.level, b.option)
		if b.bound(); optionOf(t, c, b.level, b.option) != before {
			t.Error("where there is enough memory the kernel does not decide")
		}
	}
	unsent := a.unsent(c)
	for _, requests := range []int{1, 100, 4} {
		for a.requests.count() < requests {
			a.requests.take(anybody)
		}
		for a.requests.count() > requests {
			a.requests.give(anybody)
		}
		a.BoundUnread(c)
		unsent.bound()
		want := bufferFor(a.memory, requests)
		// The kernel doubles what it is told, for its own use.
		if got := optionOf(t, c, unix.SOL_SOCKET, unix.SO_RCVBUF); got != 2*want {
			t.Errorf("%d requests: the buffer of what is unread has %d, want %d", requests, got, 2*want)
		}
		if got := optionOf(t, c, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT); got != want {
			t.Errorf("%d requests: the buffer of what is unsent has %d, want %d", requests, got, want)
		}
	}
	_ = c.Close()
	a.memory = 1 << 20
	unsent.bound() // nothing to do
	ours, _ := net.Pipe()
	a.BoundUnread(ours)
}

func TestConnectionsOfVisitorsHaveBuffers(t *testing.T) {
	a := &App{memory: 64 << 20}
	if !get(t, visit(t, served(t, a), "127.0.0.1"), "/") {
		t.Fatal("no answer")
	}
	testkit.Eventually(t, "the connection is idle", func() bool {
		a.connections.mu.Lock()
		defer a.connections.mu.Unlock()
		return a.connections.idle.Len() == 1
	})
	ours := a.connections.idle.Front().Value.(*conn)
	if got, want := optionOf(t, ours.Conn, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT), bufferFor(a.memory, 0); got != want {
		t.Errorf("the kernel holds %d, want %d", got, want)
	}
}

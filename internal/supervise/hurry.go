package supervise

import (
	"context"
	"sync"
)

// hurry counts requests to go faster.
type hurry struct {
	mu    sync.Mutex
	count int
	next  chan struct{}
}

func (h *hurry) up() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	if h.next != nil {
		close(h.next)
		h.next = nil
	}
}

func (h *hurry) seen() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count
}

// beyond returns a channel that is closed once the count is above n.
func (h *hurry) beyond(n int) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.count > n {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	if h.next == nil {
		h.next = make(chan struct{})
	}
	return h.next
}

type hurryKey struct{}

// WithHurry returns a context and a function that hurries everything that
// stops under it: each call lets a running Stop go to its next step at once.
// StopContext makes such a context from signals.
func WithHurry(ctx context.Context) (context.Context, func()) {
	h := &hurry{}
	return context.WithValue(ctx, hurryKey{}, h), h.up
}

func hurryOf(ctx context.Context) *hurry {
	if h, ok := ctx.Value(hurryKey{}).(*hurry); ok {
		return h
	}
	return &hurry{}
}

// Hurried returns a channel that is closed when the operator asks for the next
// time to go faster (a second SIGTERM or SIGINT). Wait for it beside a drain
// period.
func Hurried(ctx context.Context) <-chan struct{} {
	h := hurryOf(ctx)
	return h.beyond(h.seen())
}

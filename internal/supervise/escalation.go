package supervise

import (
	"context"
	"sync"
)

// escalation counts requests to go faster.
type escalation struct {
	mu    sync.Mutex
	count int
	next  chan struct{}
}

func (e *escalation) up() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count++
	if e.next != nil {
		close(e.next)
		e.next = nil
	}
}

func (e *escalation) seen() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.count
}

// beyond returns a channel that is closed once the count is above n.
func (e *escalation) beyond(n int) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count > n {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	if e.next == nil {
		e.next = make(chan struct{})
	}
	return e.next
}

type escalationKey struct{}

// WithEscalation returns a context and a function that escalates everything that
// stops under it: each call lets a running Stop go to its next step at once.
// StopContext makes such a context from signals.
func WithEscalation(ctx context.Context) (context.Context, func()) {
	e := &escalation{}
	return context.WithValue(ctx, escalationKey{}, e), e.up
}

func escalationOf(ctx context.Context) *escalation {
	if e, ok := ctx.Value(escalationKey{}).(*escalation); ok {
		return e
	}
	return &escalation{}
}

// Escalated returns a channel that is closed when the operator asks for the next
// time to go faster (a second SIGTERM or SIGINT). Wait for it beside a drain
// period.
func Escalated(ctx context.Context) <-chan struct{} {
	e := escalationOf(ctx)
	return e.beyond(e.seen())
}

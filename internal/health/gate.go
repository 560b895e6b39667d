package health

import (
	"sync"
	"time"
)

// Gate is a yes or no with the reason for the no, read by probes and changed
// by the service. The zero Gate is closed.
type Gate struct {
	mu     sync.RWMutex
	open   bool
	reason string
	since  time.Time // of the answer
}

// Open makes the gate answer yes.
func (g *Gate) Open() { g.set(true, "") }

// Close makes the gate answer no, for the given reason.
func (g *Gate) Close(reason string) { g.set(false, reason) }

// State returns the answer and, for a no, its reason.
func (g *Gate) State() (open bool, reason string) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.open, g.reason
}

// age returns how long the answer has been the same.
func (g *Gate) age() time.Duration {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return time.Since(g.since)
}

func (g *Gate) set(open bool, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != open || g.reason != reason {
		g.since = time.Now()
	}
	g.open, g.reason = open, reason
}

package runner

import "sync"

// changes tells of commits.
type changes struct {
	mu      sync.Mutex
	ts      uint64
	changed chan struct{}
}

// tell says that there was a commit, or, with 0, that results may differ without one.
func (c *changes) tell(ts uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ts = max(c.ts, ts)
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

func (c *changes) watch() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// Watch returns a channel that is closed when documents have changed, or functions.
func (r *Runner) Watch() <-chan struct{} { return r.changes.watch() }

package runner

import (
	"context"
	"sync"
	"time"
)

// executions are the latest executions, oldest first.
type executions struct {
	mu    sync.Mutex
	all   []Execution
	last  int64 // cursor
	added signal
}

func (e *executions) add(one Execution) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = max(e.last+1, time.Now().UnixMilli())
	one.Cursor = e.last
	e.all = append(e.all, one)
	if len(e.all) > keptExecutions {
		e.all = e.all[len(e.all)-keptExecutions:]
	}
	e.added.raise()
}

// after returns the executions after a cursor, and what is closed at the next one.
func (e *executions) after(cursor int64) (found []Execution, added <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.all {
		if one.Cursor > cursor {
			found = append(found, one)
		}
	}
	return found, e.added.wait()
}

// Executions returns the executions after a cursor, which is that of an earlier one
// or 0. When there are none it waits for one until ctx ends.
func (r *Runner) Executions(ctx context.Context, cursor int64) []Execution {
	for {
		found, added := r.executions.after(cursor)
		if len(found) > 0 {
			return found
		}
		select {
		case <-added:
		case <-ctx.Done():
			return nil
		}
	}
}

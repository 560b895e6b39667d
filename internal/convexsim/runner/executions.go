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
	added chan struct{} // closed at the next one
}

func (e *executions) add(one Execution) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one.Ended = time.Now()
	e.all = append(e.all, one)
	if len(e.all) > keptExecutions {
		e.all = e.all[len(e.all)-keptExecutions:]
	}
	if e.added != nil {
		close(e.added)
		e.added = nil
	}
}

func (e *executions) after(moment time.Time) ([]Execution, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []Execution
	for _, one := range e.all {
		if one.Ended.After(moment) {
			found = append(found, one)
		}
	}
	if e.added == nil {
		e.added = make(chan struct{})
	}
	return found, e.added
}

// Executions returns the executions that ended after a moment. When there are none
// it waits for one until ctx ends.
func (r *Runner) Executions(ctx context.Context, after time.Time) []Execution {
	for {
		found, added := r.executions.after(after)
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

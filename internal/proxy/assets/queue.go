package assets

import (
	"context"
	"sync"
)

// queueLimit is how many jobs wait at most; what comes then is dropped, and comes
// again with the next request.
const queueLimit = 4096

// queue is what waits for one worker, each job once.
type queue[T comparable] struct {
	mu      sync.Mutex
	jobs    []T
	waiting map[T]bool
	news    chan struct{}
}

func newQueue[T comparable]() *queue[T] {
	return &queue[T]{waiting: map[T]bool{}, news: make(chan struct{}, 1)}
}

// add never waits.
func (q *queue[T]) add(job T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting[job] || len(q.jobs) >= queueLimit {
		return
	}
	q.waiting[job] = true
	q.jobs = append(q.jobs, job)
	select {
	case q.news <- struct{}{}:
	default:
	}
}

// next waits for a job, until ctx ends. A job that runs can be added again.
func (q *queue[T]) next(ctx context.Context) (job T, ok bool) {
	for ctx.Err() == nil {
		if job, ok = q.take(); ok {
			return job, true
		}
		select {
		case <-ctx.Done():
		case <-q.news:
		}
	}
	return job, false
}

func (q *queue[T]) take() (job T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 {
		return job, false
	}
	job, q.jobs = q.jobs[0], q.jobs[1:]
	delete(q.waiting, job)
	return job, true
}

func (q *queue[T]) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs) == 0
}

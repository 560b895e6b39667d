package visitors

import (
	"slices"
	"sync"
	"time"
)

// Times are how long answers took. The zero value is ready for use.
type Times struct {
	mu  sync.Mutex
	all []answer
}

type answer struct {
	asked time.Time
	took  time.Duration
}

// Add notes one answer.
func (t *Times) Add(asked time.Time, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, answer{asked, took})
}

// Of returns the times of the answers for which it says so, the shortest first.
func (t *Times) Of(is func(asked time.Time) bool) Sorted {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found Sorted
	for _, a := range t.all {
		if is(a.asked) {
			found = append(found, a.took)
		}
	}
	slices.Sort(found)
	return found
}

// Sorted are times, the shortest first.
type Sorted []time.Duration

// At returns the time that a share of the answers, from 0 to 1, took at most.
func (s Sorted) At(share float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[int(share*float64(len(s)-1))].Round(time.Millisecond)
}

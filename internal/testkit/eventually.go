package testkit

import (
	"testing"
	"time"
)

const (
	// patience is how long a fact may take to come true. It only decides how long
	// a failing test takes, so it suits the slowest machine.
	patience = 30 * time.Second
	interval = 5 * time.Millisecond
)

// Eventually waits until a fact holds, and fails the test when it does not come
// true within 30 s.
func Eventually(t testing.TB, what string, fact func() bool) {
	t.Helper()
	if !poll(fact, nil) {
		t.Fatalf("not within %s: %s", patience, what)
	}
}

// poll asks for the fact until it holds, once more after over has been closed,
// and reports whether it held.
func poll(fact func() bool, over <-chan struct{}) bool {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	deadline := time.After(patience)
	for !fact() {
		select {
		case <-tick.C:
		case <-over:
			return fact()
		case <-deadline:
			return false
		}
	}
	return true
}

package supervise

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func TestRestartPausesDoubleUpToTheirCap(t *testing.T) {
	r := newRestarts(RestartPolicy{Budget: 100, Delay: time.Second, MaxDelay: 10 * time.Second})
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10} {
		want *= time.Second
		got, ok := r.next(noon, 0)
		if !ok || got < want*9/10 || got > want*11/10 {
			t.Errorf("restart %d: pause %v, %v, want about %v", i+1, got, ok, want)
		}
	}
}

func TestRestartPausesDiffer(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		pause, _ := newRestarts(RestartPolicy{Budget: 1}).next(noon, 0)
		seen[pause] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d different first pauses in 20: no jitter", len(seen))
	}
}

func TestStableRunResetsThePause(t *testing.T) {
	r := newRestarts(RestartPolicy{Budget: 100, Delay: time.Second, MaxDelay: time.Minute, StableAfter: 10 * time.Second})
	for range 5 {
		r.next(noon, 0)
	}
	if pause, _ := r.next(noon, 9*time.Second); pause < 20*time.Second {
		t.Errorf("a short run reset the pause to %v", pause)
	}
	if pause, _ := r.next(noon, 10*time.Second); pause > 1100*time.Millisecond {
		t.Errorf("a stable run left the pause at %v", pause)
	}
}

func TestRestartBudgetIsOfASlidingWindow(t *testing.T) {
	r := newRestarts(RestartPolicy{Budget: 10})
	for i := range 10 {
		if _, ok := r.next(noon.Add(time.Duration(i)*time.Minute), 0); !ok {
			t.Fatalf("restart %d was refused", i+1)
		}
	}
	if _, ok := r.next(noon.Add(59*time.Minute), 0); ok {
		t.Error("the 11th restart in an hour was allowed")
	}
	if _, ok := r.next(noon.Add(60*time.Minute), 0); !ok {
		t.Error("a restart after the first has left the window was refused")
	}
	if _, ok := r.next(noon.Add(60*time.Minute+time.Second), 0); ok {
		t.Error("the window still holds 10 and allowed one more")
	}
	if r.total != 11 || r.left() != 0 {
		t.Errorf("total %d, left %d", r.total, r.left())
	}
}

func TestZeroPolicyNeverRestarts(t *testing.T) {
	if _, ok := newRestarts(RestartPolicy{}).next(noon, time.Hour); ok {
		t.Error("restarted")
	}
}

package proxy

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	tests := map[string]struct {
		live uint64
		busy bool
		want int
	}{
		"idle":         {6 << 20, false, usualPercent},
		"busy":         {6 << 20, true, 300},
		"busy, empty":  {1 << 20, true, mostPercent},
		"many sockets": {200 << 20, true, usualPercent},
		"half of it":   {12 << 20, true, usualPercent},
		"unknown":      {0, true, usualPercent},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := percentFor(tt.live, tt.busy); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestCollectionsInARowAreSpaced(t *testing.T) {
	set := make(chan int, 1)
	c := &collector{percent: usualPercent, live: func() uint64 { return 6 << 20 }, set: func(percent int) {
		select { // it goes on after the test, and all finalizers wait for one
		case set <- percent:
		default:
		}
	}}
	c.watch()
	collect := time.NewTicker(10 * time.Millisecond)
	defer collect.Stop()
	for deadline := time.After(10 * time.Second); ; {
		select {
		case percent := <-set:
			if percent != 300 {
				t.Errorf("set to %d percent", percent)
			}
			return
		case <-collect.C:
			runtime.GC()
		case <-deadline:
			t.Fatal("collections in a row change nothing")
		}
	}
}

func TestIdleCollectorIsTheUsualOne(t *testing.T) {
	var set []int
	c := &collector{percent: usualPercent, set: func(percent int) { set = append(set, percent) }}
	began := time.Now()
	for _, after := range []time.Duration{time.Minute, time.Minute + 100*time.Millisecond, time.Minute + 200*time.Millisecond, 3 * time.Minute} {
		c.adjust(began.Add(after), 6<<20)
	}
	if !slices.Equal(set, []int{300, usualPercent}) {
		t.Errorf("set to %v", set)
	}
}

package state_test

import (
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

func TestIndexesAreBuiltOneAfterTheOther(t *testing.T) {
	now := time.Now()
	backfill := &state.Backfill{Started: now, Indexes: 3, Each: time.Second}
	for after, want := range map[time.Duration]struct {
		left int
		next time.Duration
	}{
		0: {3, time.Second}, 999 * time.Millisecond: {3, time.Millisecond}, 2500 * time.Millisecond: {1, 500 * time.Millisecond}, 3 * time.Second: {0, 0},
	} {
		if left, next := backfill.Left(now.Add(after)); left != want.left || next != want.next {
			t.Errorf("after %v: %d left, next in %v; want %+v", after, left, next, want)
		}
	}
	if left, _ := (*state.Backfill)(nil).Left(now); left != 0 {
		t.Errorf("without a backfill %d are left", left)
	}
}

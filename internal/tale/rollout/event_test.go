package rollout

import (
	"slices"
	"testing"
	"time"
)

// TestWhatIsNewIsNoReasonForSilence: where no line can be written over, a wait whose attempts
// are counted is told of like any other.
func TestWhatIsNewIsNoReasonForSilence(t *testing.T) {
	var told []Kind
	r := (&teller{say: func(e Event) { told = append(told, e.Kind) }}).reminder("convex")
	for _, text := range []string{"attempt 1", "attempt 2", "attempt 2"} {
		r.progress(text)
	}
	r.said = time.Now().Add(-remindEvery)
	r.progress("attempt 3")
	r.progress("attempt 4")
	if want := []Kind{Progress, Progress, Progress, Waiting, Progress}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

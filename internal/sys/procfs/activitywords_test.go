package procfs

import (
	"testing"
	"time"
)

func TestWhatActivityMeans(t *testing.T) {
	for used, want := range map[time.Duration]string{
		10 * time.Second:       "its process has used 100 % of a processor for 10s: it computes without a pause, as an endless loop does",
		35 * time.Second:       "its process has used 350 % of a processor for 10s: it is busy",
		11 * time.Second:       "its process has used 110 % of a processor for 10s: it computes without a pause, as an endless loop does",
		9 * time.Second:        "its process has used 90 % of a processor for 10s: it computes without a pause, as an endless loop does",
		4 * time.Second:        "its process has used 40 % of a processor for 10s",
		20 * time.Millisecond:  "its process has used 0 % of a processor for 10s: it waits for something, such as a lock or another service",
		-20 * time.Millisecond: "",
	} {
		if got := activity(used, 10*time.Second); got != want {
			t.Errorf("%s: %q", used, got)
		}
	}
	if got := activity(0, 0); got != "" {
		t.Errorf("of no time: %q", got)
	}
}

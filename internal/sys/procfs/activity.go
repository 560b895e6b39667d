package procfs

import (
	"fmt"
	"time"
)

// Activity is how much of a processor a process and its descendants have used until a moment.
type Activity struct {
	pid  int
	at   time.Time
	used time.Duration
}

// ActivityOf returns that of now.
func ActivityOf(pid int) Activity { return Activity{pid, time.Now(), Processor(pid)} }

// Since returns what the process has done since then, in words about it; "" where nothing is
// known.
func (a Activity) Since() string {
	if Stopped(a.pid) {
		return "its process is stopped by a signal (SIGSTOP, or a debugger): SIGCONT continues it"
	}
	now := ActivityOf(a.pid)
	return activity(now.used-a.used, now.at.Sub(a.at))
}

// Shares of one processor from which on a process computes without a pause, and up to which it
// does nothing.
const (
	busy = 0.85
	one  = 1.1 // up to which it is one processor alone, which an endless loop takes
	idle = 0.01
)

func activity(used, lasted time.Duration) string {
	if lasted <= 0 || used < 0 { // a descendant has ended
		return ""
	}
	share, means := used.Seconds()/lasted.Seconds(), ""
	switch {
	case share > one:
		means = ": it is busy"
	case share >= busy:
		means = ": it computes without a pause, as an endless loop does"
	case share <= idle:
		means = ": it waits for something, such as a lock or another service"
	}
	return fmt.Sprintf("its process has used %.0f %% of a processor for %s%s", 100*share, lasted.Round(time.Second), means)
}

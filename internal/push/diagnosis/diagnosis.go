package diagnosis

import "time"

// Retry says what can be done after a failure without a person.
type Retry string

// The ways to retry.
const (
	RetryNo   Retry = "no"   // the same input fails in the same way
	RetrySame Retry = "same" // the same request may succeed later
	RetryRedo Retry = "redo" // only a new push, from get_config_hashes, can succeed
)

// Pace is how long to wait before a retry.
type Pace string

// The paces, by what has to pass meanwhile.
const (
	PaceBrief   Pace = "brief"   // a conflicting transaction: half a second, up to 5 s
	PaceLoad    Pace = "load"    // a full queue or a busy worker: 2 s, up to 20 s
	PaceRestart Pace = "restart" // a backend that is starting: 3 s, up to 30 s
)

// Bounds returns the first and the longest wait of the pace, before jitter.
func (p Pace) Bounds() (first, longest time.Duration) {
	switch p {
	case PaceBrief:
		return 500 * time.Millisecond, 5 * time.Second
	case PaceLoad:
		return 2 * time.Second, 20 * time.Second
	default:
		return 3 * time.Second, 30 * time.Second
	}
}

// Diagnosis is what an observation means and what to do about it.
type Diagnosis struct {
	Known bool     // the catalogue has a row for it
	Cause string   // one sentence
	Fix   []string // commands that work inside the containers, and where no command helps, what to change
	Retry Retry
	Pace  Pace // meaningless with RetryNo
	Exit  int  // exit code of the process when no retry is left (package exit)
}

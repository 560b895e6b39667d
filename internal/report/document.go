package report

import "time"

// State is where a boot, or a stage of it, is.
type State string

// States of a stage; a document has only Running, Ready, Draining, Done and Failed.
const (
	Pending  State = "pending"
	Running  State = "running"
	Skipped  State = "skipped"
	Ready    State = "ready"
	Draining State = "draining"
	Done     State = "done"
	Failed   State = "failed"
)

// Document is the boot report.
type Document struct {
	Service string    `json:"service"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"`
	State   State     `json:"state"`
	Stages  []Stage   `json:"stages"`
	Failure *Failure  `json:"failure,omitempty"`

	sections []section // between the stages and the failure
}

// Stage is one step of a boot.
type Stage struct {
	Name       string     `json:"name"`
	State      State      `json:"state"`
	Started    *time.Time `json:"started,omitempty"`
	DurationMS int64      `json:"duration_ms"`
	Attempts   int        `json:"attempts,omitempty"`
	Detail     string     `json:"detail,omitempty"` // what came of it, in a few words
}

// Failure is why a boot failed, for the reader: what, where, why, what to do.
type Failure struct {
	Stage       string     `json:"stage"`
	Code        string     `json:"code,omitempty"`   // the server's error code, or a condition of ours
	Status      int        `json:"status,omitempty"` // HTTP
	Message     string     `json:"message"`          // the server's own words, or the error
	Cause       string     `json:"cause,omitempty"`
	Fix         []string   `json:"fix,omitempty"`
	Retryable   bool       `json:"retryable"`
	NextAttempt *time.Time `json:"next_attempt,omitempty"`
	Attempts    int        `json:"attempts,omitempty"`
	MaxAttempts int        `json:"max_attempts,omitempty"`
	ElapsedMS   int64      `json:"elapsed_ms,omitempty"`
	Driver      string     `json:"driver,omitempty"`   // of a push
	Evidence    []string   `json:"evidence,omitempty"` // the last lines a child printed
	Changed     []string   `json:"changed,omitempty"`  // what the boot had changed before it failed
	ExitCode    int        `json:"exit_code,omitempty"`
}

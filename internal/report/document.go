package report

import (
	"fmt"
	"time"
)

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
	Env     *EnvSync  `json:"env,omitempty"`
	Deploy  *Deploy   `json:"deploy,omitempty"`
	Failure *Failure  `json:"failure,omitempty"`
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

// EnvSync is what the env stage found and changed. It has names and counts,
// never values.
type EnvSync struct {
	Declared  int      `json:"declared"` // variables of the table
	Desired   int      `json:"desired"`  // those that have a value
	Present   int      `json:"present"`  // those that the deployment holds after the sync
	New       int      `json:"new"`
	Updated   int      `json:"updated"`
	Unchanged int      `json:"unchanged"`
	Removed   int      `json:"removed"`
	Foreign   int      `json:"foreign"` // the operator's own, never touched
	Drift     []string `json:"drift,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

// Deploy is the push of the functions.
type Deploy struct {
	Driver    string         `json:"driver"`            // native or cli
	Skipped   string         `json:"skipped,omitempty"` // why nothing was pushed
	Attempts  int            `json:"attempts"`
	Stages    []PushStage    `json:"stages"`
	Modules   int            `json:"modules,omitempty"` // of the app's functions; those of components always go with source
	Changed   *int           `json:"changed,omitempty"` // of the modules, those sent with source; absent where it is not known
	Functions int            `json:"functions,omitempty"`
	Indexes   *IndexProgress `json:"indexes,omitempty"`
	After     *AfterDeploy   `json:"after,omitempty"`
}

// Sent says how many modules there are and how many of them went with source, as
// far as it is known.
func (d Deploy) Sent() string {
	if d.Changed == nil {
		return fmt.Sprintf("%d modules", d.Modules)
	}
	return fmt.Sprintf("%d of %d modules sent", *d.Changed, d.Modules)
}

// PushStage is one step of the push protocol.
type PushStage struct {
	Name          string     `json:"name"`
	State         State      `json:"state"`
	Started       *time.Time `json:"started,omitempty"`
	DurationMS    int64      `json:"duration_ms"` // of the requests that were answered
	BytesSent     int64      `json:"bytes_sent"`
	BytesReceived int64      `json:"bytes_received"`
	Status        int        `json:"status,omitempty"`
	Requests      int        `json:"requests,omitempty"`
}

// IndexProgress is the newest answer to wait_for_schema; until there is one, the
// indexes that start_push has added.
type IndexProgress struct {
	Complete         int  `json:"complete"`
	Total            int  `json:"total"`
	SchemaValidation bool `json:"schema_validated"`
}

// AfterDeploy is the function that ran after the push.
type AfterDeploy struct {
	Function   string `json:"function"`
	DurationMS int64  `json:"duration_ms"`
	Error      string `json:"error,omitempty"`
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

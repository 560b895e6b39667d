package diagnosis

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// Failure is a push that failed, with everything its reader needs. It is an error
// that carries its exit code; Report is what the log, the boot report and the
// termination message show.
type Failure struct {
	Observation Observation
	Diagnosis   Diagnosis
	Driver      string        // "native" or "cli"; "" before the deploy
	Attempt     int           // from 1
	Attempts    int           // the limit, CONVEX_DEPLOY_ATTEMPTS
	Elapsed     time.Duration // since the push began, all attempts
	Next        time.Duration // until the next attempt; 0: there is none
	Changed     Changed
	Evidence    []string // the last lines of the CLI, redacted
}

// Changed is what a failed push has already changed in the deployment.
type Changed struct {
	Variables     VariableState
	SchemaPending bool // start_push answered, finish_push did not
	Finishing     bool // finish_push was sent and not answered: it may have been applied
}

// VariableState is what is known about the deployment's environment variables.
type VariableState string

// The states.
const (
	VariablesUntouched VariableState = ""          // nothing was written
	VariablesUnchanged VariableState = "unchanged" // compared, nothing to write
	VariablesSynced    VariableState = "synced"    // written
	VariablesUnknown   VariableState = "unknown"   // written, and not known whether they are what was written
)

// Error returns the failure in one line: stage, status, code and the server's words.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s failed: %s", f.Observation.Stage, f.Observation.Summary())
}

// ExitCode returns the code of the process when no retry is left.
func (f *Failure) ExitCode() int { return f.Diagnosis.Exit }

// Report returns the failure as the log, the boot report and the status command show
// it.
func (f *Failure) Report() report.Failure {
	d := f.Diagnosis
	out := report.New(d.Exit, cmp.Or(f.Observation.Message, f.Observation.Reason, "(nothing)"), d.Cause, d.Fix[0], d.Fix[1:]...)
	out.Stage, out.Code, out.Status = string(f.Observation.Stage), f.Observation.Label(), f.Observation.Status
	out.Retryable, out.Attempts, out.MaxAttempts = f.retryable(), f.Attempt, f.Attempts
	out.ElapsedMS, out.Driver = f.Elapsed.Milliseconds(), f.Driver
	out.Evidence, out.Changed = f.evidence(), f.changes()
	if f.Next > 0 {
		at := time.Now().Add(f.Next)
		out.NextAttempt = &at
	}
	return out
}

// Lines returns the message at the end of the log, at most 25 lines.
func (f *Failure) Lines() []string { return strings.Split(f.Report().Text(), "\n") }

// retryable reports whether another start may succeed with the same input, which
// includes failures that this process does not retry.
func (f *Failure) retryable() bool {
	return f.Diagnosis.Retry != RetryNo || f.Diagnosis.Exit == exit.Temporary
}

// evidence returns what the CLI printed, where the backend sent no words itself: the
// CLI repeats the backend's words.
func (f *Failure) evidence() []string {
	switch f.Observation.Condition {
	case ConditionCLIFailed, ConditionCLIKilled, ConditionCLICrashed:
		return f.Evidence
	}
	if f.Observation.Message != "" {
		return nil
	}
	return f.Evidence
}

func (f *Failure) changes() []string {
	lines := f.Changed.lines()
	if p := f.Observation.Progress; p.IndexesTotal > 0 {
		lines = append(lines, fmt.Sprintf("indexes: %d of %d ready", p.IndexesComplete, p.IndexesTotal))
	}
	return lines
}

// lines say what the deployment looks like after the failure.
func (c Changed) lines() []string {
	lines := []string{map[VariableState]string{
		VariablesUntouched: "variables: not changed",
		VariablesUnchanged: "variables: compared, nothing to change",
		VariablesSynced:    "variables: synced",
		VariablesUnknown:   "variables: not known, they are compared again at the next attempt",
	}[c.Variables]}
	switch {
	case c.Finishing:
		return append(lines, "functions: not known, the answer to finish_push is missing")
	case c.SchemaPending:
		return append(lines, "functions: not changed; a schema is pending, and the next push replaces it")
	}
	return append(lines, "functions: not changed")
}

package push

import (
	"fmt"
	"strings"
	"time"
)

// Failure is a push that failed, with everything its reader needs. It is an error
// that carries its exit code; Lines is the message at the end of the log.
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
	VariablesSynced    VariableState = "synced"    // written and read back
	VariablesUnknown   VariableState = "unknown"   // written, the answer was lost
)

// Error is the failure in one line: stage, status, code and the server's words.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s failed: %s", f.Observation.Stage, f.Observation.Summary())
}

// ExitCode is the code the process ends with when nothing is retried any more.
func (f *Failure) ExitCode() int { return f.Diagnosis.Exit }

// Summary is what was seen, in one line without the stage.
func (o Observation) Summary() string {
	answer := APIError{Status: o.Status, Code: o.Code}
	var parts []string
	if o.Status != 0 {
		parts = append(parts, answer.statusLine())
	}
	if o.Condition != "" {
		parts = append(parts, strings.ReplaceAll(string(o.Condition), "_", " "))
	}
	for _, words := range []string{o.Reason, firstLine(o.Message)} {
		if words != "" {
			parts = append(parts, words)
		}
	}
	return strings.Join(parts, ": ")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

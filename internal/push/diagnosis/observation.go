package diagnosis

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// Condition is a way to fail that no error code expresses: a result inside a 200
// answer, a limit of ours, a process.
type Condition string

// The conditions.
const (
	// ConditionSchemaFailed: wait_for_schema answered "failed", a document
	// contradicts the schema.
	ConditionSchemaFailed Condition = "schema_failed"
	// ConditionSchemaRace: wait_for_schema answered "raceDetected", another push
	// replaced the schema.
	ConditionSchemaRace Condition = "schema_race"
	// ConditionStageTimeout: the stage exceeded CONVEX_DEPLOY_TIMEOUT.
	ConditionStageTimeout Condition = "stage_timeout"
	// ConditionStalled: the indexes made no progress for CONVEX_DEPLOY_TIMEOUT.
	ConditionStalled Condition = "stalled"
	// ConditionDeployMax: the indexes still made progress at CONVEX_DEPLOY_MAX.
	ConditionDeployMax Condition = "deploy_max"
	// ConditionUnexpectedAnswer: 2xx, but not what this stage answers.
	ConditionUnexpectedAnswer Condition = "unexpected_answer"
	// ConditionRequestUnusable: the prebuilt push request is missing or unusable.
	ConditionRequestUnusable Condition = "request_unusable"
	// ConditionCLINotFound: there is no convex CLI, or no runtime for it.
	ConditionCLINotFound Condition = "cli_not_found"
	// ConditionCLINotExecutable: it exists but cannot be executed.
	ConditionCLINotExecutable Condition = "cli_not_executable"
	// ConditionCLIFailed: the CLI ended with an error, and no request of it failed.
	ConditionCLIFailed Condition = "cli_failed"
	// ConditionCLIKilled: a signal that was not ours ended the CLI.
	ConditionCLIKilled Condition = "cli_killed"
	// ConditionCLICrashed: a signal that its own code has caused ended the CLI.
	ConditionCLICrashed Condition = "cli_crashed"
	// ConditionVariableLimit: a variable exceeds a limit of the backend and was not
	// sent.
	ConditionVariableLimit Condition = "variable_limit"
	// ConditionNotRunning: the deployment's state keeps functions from running; the
	// message is the state.
	ConditionNotRunning Condition = "not_running"
	// ConditionNotConfirmed: the variables read back differ from those written.
	ConditionNotConfirmed Condition = "not_confirmed"
)

// Observation is what is known about one failed attempt. All of it are facts from
// the wire or about a process of ours; nothing is guessed from printed text. The
// texts must not contain secrets.
type Observation struct {
	Stage     backend.Stage
	Status    int           // HTTP status; 0: no answer
	Code      string        // the backend's short code
	Message   string        // the backend's words, or the CLI's last lines
	Transport netcause.Kind // why there is no answer; netcause.None otherwise
	Reason    string        // Transport explained in half a sentence
	Condition Condition
	Component string           // of ConditionSchemaFailed; "" is the app itself
	Table     string           // of ConditionSchemaFailed; may be unknown
	Progress  backend.Progress // the last one seen in wait_for_schema
	First     bool             // the deployment had no functions before
	Limit     time.Duration    // the limit that ran out, where one did
}

// Observe makes an observation of an error that a request of the given stage
// returned: an APIError, a TransportError, anything that net/http returns, or one
// that is an observation already.
func Observe(stage backend.Stage, err error) Observation {
	if observed, ok := errors.AsType[*Error](err); ok {
		return observed.Observation
	}
	o := Observation{Stage: stage}
	if answer, ok := errors.AsType[*backend.APIError](err); ok {
		o.Status, o.Code, o.Message = answer.Status, answer.Code, answer.Message
		return o
	}
	if unexpected, ok := errors.AsType[*backend.UnexpectedAnswerError](err); ok {
		o.Condition, o.Message = ConditionUnexpectedAnswer, unexpected.Problem
		return o
	}
	if tooLarge, ok := errors.AsType[*backend.EnvTooLargeError](err); ok {
		o.Condition, o.Message = ConditionVariableLimit, tooLarge.Error()
		return o
	}
	if transport, ok := errors.AsType[*backend.TransportError](err); ok {
		o.Transport, o.Reason = transport.Kind, transport.Explanation
		return o
	}
	o.Transport, o.Reason = netcause.Of(err)
	return o
}

// ObserveSchema returns the failure that an answer to wait_for_schema reports, if it
// does.
func ObserveSchema(a backend.SchemaAnswer) (o Observation, failed bool) {
	o = Observation{Stage: backend.StageWaitForSchema, Status: 200, Message: a.Error, Component: a.ComponentPath, Table: a.TableName}
	switch a.Type {
	case backend.SchemaFailed:
		o.Condition = ConditionSchemaFailed
		return o, true
	case backend.SchemaRace:
		o.Condition = ConditionSchemaRace
		return o, true
	}
	return o, false
}

// Err returns the observation as an error, from which Observe takes it back.
func (o Observation) Err() error { return &Error{o} }

// Error is a failure that its finder has already put into words of ours.
type Error struct{ Observation }

// Error returns the observation in one line.
func (e *Error) Error() string { return string(e.Stage) + ": " + e.Summary() }

// Label returns the name of the failure: the server's code, our condition, or the
// kind of transport failure.
func (o Observation) Label() string {
	return cmp.Or(o.Code, string(o.Condition), string(o.Transport))
}

// Summary returns what was seen, in one line without the stage.
func (o Observation) Summary() string {
	var parts []string
	if o.Status != 0 {
		parts = append(parts, backend.StatusLine(o.Status, o.Code))
	}
	if o.Condition != "" {
		parts = append(parts, strings.ReplaceAll(string(o.Condition), "_", " "))
	}
	if o.Transport != netcause.None {
		parts = append(parts, o.Reason)
	}
	if words := backend.FirstLine(o.Message); words != "" {
		parts = append(parts, words)
	}
	return strings.Join(parts, ": ")
}

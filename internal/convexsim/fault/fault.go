// Package fault says how the simulator fails: which stage, how often, in what
// way. It does nothing itself: the simulator asks the Set and acts.
package fault

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Stages are the names under which faults know what the simulator does: the
// requests of a deploy, and its own life.
const (
	StageStart        = "start"     // before the ports open
	StageRunning      = "running"   // once, when the ports are open
	StageMigration    = "migration" // each step of a migration of the database
	StageAny          = "any"       // every request
	StageVersion      = "version"
	StageName         = "instance_name"
	StageCheckKey     = "check_admin_key"
	StageEnvList      = "env_list"
	StageEnvUpdate    = "env_update"
	StageFunction     = "function"
	StageSync         = "sync"
	StageHashes       = "get_config_hashes"
	StageEvalSchema   = "evaluate_schema"
	StageEvalPush     = "evaluate_push"
	StageStartPush    = "start_push"
	StageWaitSchema   = "wait_for_schema"
	StageFinishPush   = "finish_push"
	StageReport       = "report_push_completed"
	StageUpload       = "storage_upload"
	StageDownload     = "storage_get"
	StageTestFunction = "run_test_function"
	StageHTTPAction   = "http_action"
	StageCallback     = "action_callback"

	StageCanonicalURLs = "get_canonical_urls"
)

// Where a fault cuts the connection.
const (
	// DropRequest cuts before the body was read; nothing is done.
	DropRequest = "request"
	// DropHeaders does what was asked, and cuts instead of answering.
	DropHeaders = "headers"
	// DropBody does what was asked, and cuts in the middle of the answer's body.
	DropBody = "body"
)

// Fault makes one stage fail. Its parts act in this order: Delay, Flood,
// Hang, Signal or Exit, Drop or an error answer. The last four fields are not
// errors of the request but of what it asks about, and act on start_push
// (Indexes, IndexTime), wait_for_schema and function answers only.
type Fault struct {
	ID    string // given by the simulator
	Stage string
	Times int // how often; 0 = for ever
	After int // how many matching requests pass first

	Delay  time.Duration
	Flood  int    // lines of noise in the log
	Hang   bool   // no answer until the client leaves or the fault is removed
	Exit   *int   // the process ends with this status
	Signal string // the process is ended by this signal ("KILL")
	Drop   string // DropRequest, DropHeaders or DropBody

	Status  int    // answer with this status…
	Code    string // …and this code…
	Message string // …and this message; on function, the function's own error
	Body    string // …or with this text instead of JSON
	Version string // what /version answers

	Indexes     int           // how many indexes the push has to backfill
	IndexTime   time.Duration // how long each takes, one after the other
	SchemaError string        // documents do not match the schema
	Table       string        // the table of SchemaError
	Component   string        // the component of SchemaError
	Race        bool          // the schema was overwritten by another push
}

// Parse reads the form of the --fault flag: key=value, separated by commas,
// a part with a comma in it quoted as in CSV.
func Parse(text string) (Fault, error) {
	reader := csv.NewReader(strings.NewReader(text))
	reader.LazyQuotes = true
	parts, err := reader.Read()
	if err != nil {
		return Fault{}, fmt.Errorf("cannot read the fault %q: %w", text, err)
	}
	var fault Fault
	for _, part := range parts {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if err := fault.set(key, value); err != nil {
			return Fault{}, fmt.Errorf("cannot read the fault %q: %w", text, err)
		}
	}
	return fault, fault.Validate()
}

// UnmarshalJSON reads an object with the keys of the --fault flag.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		return err
	}
	*f = Fault{}
	for key, value := range object {
		if err := f.set(key, fmt.Sprint(value)); err != nil {
			return err
		}
	}
	return nil
}

// MarshalJSON writes the keys that are set.
func (f Fault) MarshalJSON() ([]byte, error) {
	object := map[string]any{}
	for _, part := range fields {
		value := part.get(&f)
		switch {
		case value == "":
		case part.literal:
			object[part.key] = json.RawMessage(value)
		default:
			object[part.key] = value
		}
	}
	return json.Marshal(object)
}

func (f *Fault) set(key, value string) error {
	for _, part := range fields {
		if part.key == key {
			if err := part.set(f, value); err != nil {
				return fmt.Errorf("%s=%s: %w", key, value, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%q is not a part of a fault; the parts are %s", key, strings.Join(Keys(), ", "))
}

// IsAnswer reports whether the fault replaces the answer.
func (f Fault) IsAnswer() bool {
	return f.Status != 0 || f.Code != "" || f.Body != "" || f.Message != "" && f.Stage != StageFunction
}

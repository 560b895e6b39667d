package runner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
)

// Kinds of functions that a call names; Any takes each.
const (
	Query    = "query"
	Mutation = "mutation"
	Action   = "action"
	Any      = "any"
)

// Call is one call of a function.
type Call struct {
	Kind      string          `json:"kind"`
	Component string          `json:"component"`
	Path      string          `json:"path"` // "module:name"
	Args      json.RawMessage `json:"args"` // one object, encoded
	Admin     bool            `json:"admin"`
	Format    string          `json:"format,omitempty"`  // of the value; empty: encoded
	Journal   *string         `json:"journal,omitempty"` // of a query that ran before
	// Session names a mutation that may be sent again; empty for one that is not.
	Session string `json:"session,omitempty"`
}

// Answer is what a function answered. One that threw has an error and no value.
type Answer struct {
	Value   json.RawMessage `json:"value"`
	Error   *Failure        `json:"error"`
	Lines   []string        `json:"lines"` // what it has logged
	Journal *string         `json:"journal"`
	TS      uint64          `json:"ts,string"` // of the commit of a mutation
}

// Failure is what a function threw, or what kept it from running.
type Failure struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"` // of a ConvexError
	// Simulator is set for what the simulator says and not the backend.
	Simulator bool `json:"-"`
}

// Text returns the message as clients get it.
func (f *Failure) Text() string {
	if f.Simulator {
		return f.Message
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	return fmt.Sprintf("[Request ID: %x] Server Error\n%s", id, f.Message)
}

// Call calls a function.
func (r *Runner) Call(ctx context.Context, call Call) (Answer, error) {
	patience := transactionPatience
	if call.Kind == Action || call.Kind == Any {
		patience = 0 // the request's own
	}
	var answer Answer
	err := r.ask(ctx, patience, "call", call, &answer)
	return answer, err
}

// Queries runs queries on the same documents and returns of which commit they were.
func (r *Runner) Queries(ctx context.Context, admin bool, queries []Call) (ts uint64, answers []Answer, err error) {
	var result struct {
		TS      uint64   `json:"ts,string"`
		Results []Answer `json:"results"`
	}
	err = r.ask(ctx, transactionPatience, "queries", map[string]any{"queries": queries, "admin": admin}, &result)
	return result.TS, result.Results, err
}

// Request is an HTTP request to the app's http.ts.
type Request struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Headers [][2]string `json:"headers"`
	Body    []byte      `json:"body"`
}

// Response is the answer of an HTTP action.
type Response struct {
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers"`
	Body    []byte      `json:"body"`
}

// HTTP answers a request; nil when no route takes it.
func (r *Runner) HTTP(ctx context.Context, request Request) (*Response, error) {
	var response *Response
	err := r.ask(ctx, 0, "http", request, &response)
	return response, err
}

// HeaderPairs returns headers as the child takes them.
func HeaderPairs(header http.Header) [][2]string {
	pairs := [][2]string{}
	for name, values := range header {
		for _, value := range values {
			pairs = append(pairs, [2]string{name, value})
		}
	}
	return pairs
}

// File is a file of the storage that functions have.
type File struct {
	ID          string `json:"id"`   // of its document
	Name        string `json:"name"` // in the folder of files, and in its address
	Size        int64  `json:"size"`
	SHA256      string `json:"sha256"`
	ContentType string `json:"contentType"`
}

// Stored makes the document of an uploaded file and returns its id.
func (r *Runner) Stored(ctx context.Context, file File) (id string, err error) {
	err = r.ask(ctx, transactionPatience, "stored", file, &id)
	return id, err
}

// File returns a file by its name, or by its id where that is empty; nil for none.
func (r *Runner) File(ctx context.Context, wanted File) (*File, error) {
	var found *File
	fields := map[string]string{"name": wanted.Name}
	if wanted.Name == "" {
		fields = map[string]string{"id": wanted.ID}
	}
	err := r.ask(ctx, transactionPatience, "file", fields, &found)
	return found, err
}

// RunSource runs a query that came with its source.
func (r *Runner) RunSource(ctx context.Context, source, format string, args json.RawMessage) (Answer, error) {
	var answer Answer
	err := r.ask(ctx, transactionPatience, "runSource", map[string]any{"source": source, "format": format, "args": args}, &answer)
	return answer, err
}

// System answers a query of the backend's own code about documents or functions.
func (r *Runner) System(ctx context.Context, name, component string, args json.RawMessage) (value json.RawMessage, err error) {
	request := map[string]any{"name": name, "component": component, "args": args}
	err = r.ask(ctx, transactionPatience, "system", request, &value)
	return value, err
}

// Execution is one execution of a function, for the log that clients watch.
type Execution struct {
	Path      string    `json:"path"`
	Component string    `json:"component"`
	Kind      string    `json:"kind"`
	Began     int64     `json:"began"` // Unix milliseconds
	Took      float64   `json:"took"`  // milliseconds
	Error     string    `json:"error"`
	Lines     []LogLine `json:"lines"`
	Cursor    int64     `json:"-"` // later ones have greater ones, also after a restart
}

// LogLine is a line that a function has logged.
type LogLine struct {
	Level     string   `json:"level"`
	Messages  []string `json:"messages"`
	Timestamp int64    `json:"timestamp"`
}

package convexsim

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/livequery"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
)

// openRunner prepares what runs functions, if something shall.
func (s *Server) openRunner() error {
	if s.options.Runner == "" {
		return nil
	}
	functions, err := runner.New(runner.Options{
		Packages: s.options.Runner, Storage: s.options.Storage, Store: s.store, Log: s.log,
		Origin: func() string { return s.origins().Cloud }, UploadURL: s.UploadURL,
	})
	s.functions = functions
	return err
}

// handleSync serves the WebSocket over which clients watch queries.
func (s *Server) handleSync(w http.ResponseWriter, r *http.Request) error {
	connection, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil //nolint:nilerr // Accept has answered
	}
	livequery.Serve(s.life, connection, liveFunctions{s}) //nolint:contextcheck // the request's own ends with the timeout for its answer
	return nil
}

// liveFunctions answers what sync sessions ask for. Where no functions are run,
// system queries have answers, and others fail with a message that says why.
type liveFunctions struct{ *Server }

// Authenticate knows admin keys, and nobody else's.
func (s liveFunctions) Authenticate(tokenType, value string) (keybroker.Identity, error) {
	switch tokenType {
	case "Admin":
		return s.broker.OfKey(value)
	case "User":
		return keybroker.Anonymous, keybroker.BearerFailure("Bearer " + value)
	}
	return keybroker.Anonymous, nil
}

// Changed returns channels that are closed at the next change.
func (s liveFunctions) Changed() (stored, documents <-chan struct{}) {
	_, stored = s.store.Watch()
	if s.functions != nil {
		documents = s.functions.Watch()
	}
	return stored, documents
}

// Run runs a mutation or an action.
func (s liveFunctions) Run(ctx context.Context, who keybroker.Identity, call runner.Call) runner.Answer {
	if s.functions == nil {
		return answerOf(runner.Answer{}, functionError(notRun))
	}
	call.Args = functionRequest{Args: call.Args}.argument()
	return answerOf(s.runFunction(ctx, who, call))
}

// Queries has the app's queries run together, and answers the others itself.
func (s liveFunctions) Queries(ctx context.Context, who keybroker.Identity, queries []runner.Call) (uint64, []runner.Answer) {
	ts := uint64(time.Now().UnixNano()) //nolint:gosec // it is after 1970
	answers := make([]runner.Answer, len(queries))
	var ours []int
	calls := []runner.Call{}
	for i, query := range queries {
		query.Path, query.Args = functionName(query.Path), functionRequest{Args: query.Args}.argument()
		if s.functions == nil || strings.HasPrefix(query.Path, "_system/") {
			answers[i] = answerOf(s.runFunction(ctx, who, query))
		} else if err := s.runnable(query, "public function"); err != nil {
			answers[i] = answerOf(runner.Answer{}, err)
		} else {
			ours, calls = append(ours, i), append(calls, query)
		}
	}
	if s.functions == nil {
		return ts, answers
	}
	ts, results, err := s.functions.Queries(ctx, who >= keybroker.Admin, calls)
	if err != nil && ctx.Err() == nil {
		s.log.Warn("queries could not be run", "queries", len(calls), "error", err)
	}
	for at, i := range ours {
		if err != nil {
			answers[i] = answerOf(runner.Answer{}, notDone(err))
		} else {
			answers[i] = results[at]
		}
	}
	return ts, answers
}

// answerOf makes a failure of the simulator one of the function.
func answerOf(answer runner.Answer, err error) runner.Answer {
	if err == nil {
		return answer
	}
	if failure := (*protocol.Failure)(nil); errors.As(err, &failure) {
		return runner.Answer{Error: &runner.Failure{Message: failure.Message, Simulator: true}}
	}
	return runner.Answer{Error: &runner.Failure{Message: err.Error(), Simulator: true}}
}

// logPatience is how long a request for logs waits for one
// (crates/local_backend/src/logs.rs).
const logPatience = time.Minute

// execution is an entry of the function logs.
type execution struct {
	Kind          string           `json:"kind"`
	UDFType       string           `json:"udfType"`
	ComponentPath *string          `json:"componentPath"`
	Identifier    string           `json:"identifier"`
	Timestamp     float64          `json:"timestamp"`     // seconds
	ExecutionTime float64          `json:"executionTime"` // seconds
	LogLines      []runner.LogLine `json:"logLines"`
	Error         *string          `json:"error"`
}

// handleFunctionLogs serves GET /api/stream_function_logs?cursor=…, a long poll.
func (s *Server) handleFunctionLogs(w http.ResponseWriter, r *http.Request) error {
	who, err := s.broker.OfRequest(r)
	if err != nil {
		return err
	}
	if err := who.MustRead(); err != nil {
		return err
	}
	cursor, err := strconv.ParseFloat(r.URL.Query().Get("cursor"), 64)
	if err != nil {
		return protocol.BadRequest("BadQueryArgs", "Failed to deserialize query string: cursor: %v", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), logPatience)
	defer cancel()
	entries := []execution{}
	if s.functions == nil {
		<-ctx.Done()
	} else {
		for _, one := range s.functions.Executions(ctx, int64(cursor)) {
			cursor = float64(one.Cursor)
			entries = append(entries, entryOf(one))
		}
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]any{"entries": entries, "newCursor": cursor})
	return nil
}

func entryOf(one runner.Execution) execution {
	entry := execution{
		Kind: "Completion", UDFType: strings.ToUpper(one.Kind[:1]) + one.Kind[1:], Identifier: one.Path, LogLines: one.Lines,
		Timestamp: (float64(one.Began) + one.Took) / 1000, ExecutionTime: one.Took / 1000,
	}
	if one.Component != "" {
		entry.ComponentPath = &one.Component
	}
	if one.Error != "" {
		entry.Error = &one.Error
	}
	return entry
}

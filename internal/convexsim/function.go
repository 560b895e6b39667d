package convexsim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// notRun is what stands where a function's result would.
const notRun = "convex-sim runs no functions; it only stores what is pushed"

// functionError is an error of a function: the request succeeds, the function
// does not.
type functionError string

func (e functionError) Error() string { return string(e) }

// functionRequest is what the function routes are sent.
type functionRequest struct {
	Path          *string         `json:"path"`
	ComponentPath string          `json:"componentPath"`
	Args          json.RawMessage `json:"args"`
	Format        string          `json:"format"`
}

// argument returns the one arguments object, which may stand in an array.
func (f functionRequest) argument() json.RawMessage {
	args := bytes.TrimSpace(f.Args)
	if len(args) > 0 && args[0] == '[' {
		var list []json.RawMessage
		if json.Unmarshal(args, &list) != nil || len(list) == 0 {
			return nil
		}
		return list[0]
	}
	return args
}

// arguments returns the arguments object.
func (f functionRequest) arguments() map[string]any {
	var object map[string]any
	_ = json.Unmarshal(f.argument(), &object)
	return object
}

// functionName returns a function's path with its default parts spelled out:
// "notes.js:list" and "notes:list" are the same.
func functionName(text string) string {
	module, name, named := strings.Cut(text, ":")
	if !named {
		name = "default"
	}
	return strings.TrimSuffix(module, ".js") + ":" + name
}

// handleFunction serves POST /api/function and /api/run/…, which take functions of
// any kind. One that the simulator was told of succeeds with null, and so do all
// where none is run.
func (s *Server) handleFunction(w http.ResponseWriter, r *http.Request) error {
	return s.answerFunction(w, r, runner.Any)
}

// handleKind serves POST /api/query and its relatives for mutations and actions,
// which are for browsers.
func (s *Server) handleKind(kind string) handler {
	return func(w http.ResponseWriter, r *http.Request) error { return s.answerFunction(w, r, kind) }
}

func (s *Server) runFunction(ctx context.Context, who keybroker.Identity, call runner.Call) (runner.Answer, error) {
	call.Path = functionName(call.Path)
	if strings.HasPrefix(call.Path, "_system/") {
		value, err := s.systemQuery(ctx, who, call)
		if err != nil {
			return runner.Answer{}, err
		}
		text, err := json.Marshal(value)
		return runner.Answer{Value: text}, err
	}
	kind := "public function"
	if call.Kind == runner.Any {
		kind = "function"
	}
	if err := s.runnable(call, kind); err != nil {
		return runner.Answer{}, err
	}
	switch {
	case call.Kind == runner.Any && (s.functions == nil || !s.pushed(call.Path) && call.Component == ""):
		return runner.Answer{Value: json.RawMessage("null")}, nil
	case s.functions == nil:
		return runner.Answer{}, functionError(notRun)
	}
	call.Admin = who >= keybroker.Admin
	answer, err := s.functions.Call(ctx, call)
	if err != nil {
		return answer, notDone(err)
	}
	return answer, nil
}

// notDone returns the failure of a function whose runner failed.
func notDone(err error) error {
	return functionError(fmt.Sprintf("convex-sim cannot tell what has become of this call: %v", err))
}

// paused is what a function answers then (crates/udf/src/validation.rs).
const paused = "Cannot run functions while this deployment is paused. Resume the deployment in the dashboard settings to allow functions to run."

// runnable reports what keeps a function of the app from running; kind is how the
// route calls one that it does not find.
func (s *Server) runnable(call runner.Call, kind string) error {
	stored := s.store.View()
	switch {
	case stored.Paused:
		return functionError(paused)
	case call.Component == "" && !s.knowsFunction(call.Path):
		return functionError(fmt.Sprintf("Could not find %s for '%s'. Did you forget to run `npx convex dev` or `npx convex deploy`?", kind, call.Path))
	}
	return stored.CheckDeployed("")
}

func (s *Server) answerFunction(w http.ResponseWriter, r *http.Request, kind string) error {
	who, err := s.broker.OfRequest(r)
	if err != nil {
		return err
	}
	var request functionRequest
	if err := protocol.ReadJSON(r, protocol.PublicAPIBodyLimit, &request); err != nil {
		return err
	}
	if inPath := pathVariable(r); inPath != "" {
		module, name, ok := cutLast(inPath, "/")
		if !ok {
			return protocol.BadRequest("MissingIdentifier", "Path or function name not provided in path, e.g. /api/run/messages/list")
		}
		joined := module + ":" + name
		request.Path = &joined
		request.Format = cmp.Or(request.Format, "json")
	}
	if request.Path == nil {
		return protocol.MissingField("path")
	}
	if request.Args == nil {
		return protocol.MissingField("args")
	}
	answer, failed := s.runFunction(r.Context(), who, runner.Call{
		Kind: kind, Component: request.ComponentPath, Path: *request.Path, Args: request.argument(), Format: request.Format,
	})
	if failure, is := errors.AsType[*protocol.Failure](failed); is && failure.Status == http.StatusInternalServerError {
		return failure
	}
	for _, f := range faultsOf(r) {
		if f.Stage == fault.StageFunction && f.Message != "" {
			failed = functionError(f.Message)
		}
	}
	writeOutcome(w, answer, failed)
	return nil
}

// outcome is the answer of the function routes.
type outcome struct {
	Status       string          `json:"status"`
	Value        json.RawMessage `json:"value,omitempty"`
	ErrorMessage string          `json:"errorMessage,omitempty"`
	ErrorData    json.RawMessage `json:"errorData,omitempty"`
	LogLines     []string        `json:"logLines,omitempty"`
}

// writeOutcome answers 200 in both cases: that a function fails is no failure of
// the request.
func writeOutcome(w http.ResponseWriter, answer runner.Answer, failed error) {
	result := outcome{Status: "success", Value: answer.Value, LogLines: answer.Lines}
	switch {
	case failed != nil:
		result = outcome{Status: "error", ErrorMessage: failed.Error()}
	case answer.Error != nil:
		result = outcome{Status: "error", ErrorMessage: answer.Error.Text(), ErrorData: answer.Error.Data, LogLines: answer.Lines}
	}
	protocol.WriteJSON(w, http.StatusOK, result)
}

// knowsFunction reports whether a pushed module, or an option, has a function.
func (s *Server) knowsFunction(name string) bool {
	if slices.ContainsFunc(s.options.Functions, func(known string) bool { return functionName(known) == name }) {
		return true
	}
	return s.pushed(name)
}

// pushed reports whether a pushed module of the app has a function.
func (s *Server) pushed(name string) bool {
	module, export, _ := strings.Cut(name, ":")
	pushed, ok := s.store.View().Definitions[""].Modules[state.Canonical(module)]
	return ok && slices.Contains(pushed.Exports, export)
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i <= 0 || i == len(text)-1 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

package convexsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
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
	Path *string         `json:"path"`
	Args json.RawMessage `json:"args"`
}

// arguments returns the one arguments object, which may stand in an array.
func (f functionRequest) arguments() map[string]any {
	args := bytes.TrimSpace(f.Args)
	if len(args) > 0 && args[0] == '[' {
		var list []json.RawMessage
		if json.Unmarshal(args, &list) != nil || len(list) == 0 {
			return nil
		}
		args = list[0]
	}
	var object map[string]any
	_ = json.Unmarshal(args, &object)
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

// handleFunction serves POST /api/function and /api/run/…: a function of a pushed
// module succeeds with null, any other is unknown.
func (s *Server) handleFunction(w http.ResponseWriter, r *http.Request) error {
	return s.answerFunction(w, r, func(who keybroker.Identity, request functionRequest) (any, error) {
		name := functionName(*request.Path)
		if strings.HasPrefix(name, "_system/") {
			return s.systemQuery(who, name, request.arguments())
		}
		return nil, s.runnable(name, "function")
	})
}

// handleQuery serves POST /api/query and its relatives for mutations and actions,
// which are for browsers: nothing but system queries has an answer.
func (s *Server) handleQuery(w http.ResponseWriter, r *http.Request) error {
	return s.answerFunction(w, r, func(who keybroker.Identity, request functionRequest) (any, error) {
		return s.runQuery(who, functionName(*request.Path), request.arguments())
	})
}

func (s *Server) runQuery(who keybroker.Identity, name string, arguments map[string]any) (any, error) {
	if strings.HasPrefix(name, "_system/") {
		return s.systemQuery(who, name, arguments)
	}
	if err := s.runnable(name, "public function"); err != nil {
		return nil, err
	}
	return nil, functionError(notRun)
}

// paused is what a function answers then (crates/udf/src/validation.rs).
const paused = "Cannot run functions while this deployment is paused. Resume the deployment in the dashboard settings to allow functions to run."

// runnable reports what keeps a function of the app from running; kind is how the
// route calls one that it does not find.
func (s *Server) runnable(name, kind string) error {
	stored := s.store.View()
	switch {
	case stored.Paused:
		return functionError(paused)
	case !s.knowsFunction(name):
		return functionError(fmt.Sprintf("Could not find %s for '%s'. Did you forget to run `npx convex dev` or `npx convex deploy`?", kind, name))
	}
	return stored.CheckDeployed("")
}

func (s *Server) answerFunction(w http.ResponseWriter, r *http.Request, run func(keybroker.Identity, functionRequest) (any, error)) error {
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
	}
	if request.Path == nil {
		return protocol.MissingField("path")
	}
	if request.Args == nil {
		return protocol.MissingField("args")
	}
	value, failed := run(who, request)
	if failure, is := errors.AsType[*protocol.Failure](failed); is && failure.Status == http.StatusInternalServerError {
		return failure
	}
	for _, f := range faultsOf(r) {
		if f.Stage == fault.StageFunction && f.Message != "" {
			failed = functionError(f.Message)
		}
	}
	writeOutcome(w, value, failed)
	return nil
}

// writeOutcome answers 200 in both cases: that a function fails is no failure of
// the request.
func writeOutcome(w http.ResponseWriter, value any, failed error) {
	if failed != nil {
		protocol.WriteJSON(w, http.StatusOK, map[string]any{"status": "error", "errorMessage": failed.Error()})
		return
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]any{"status": "success", "value": value})
}

// knowsFunction reports whether a pushed module, or an option, has a function.
func (s *Server) knowsFunction(name string) bool {
	if slices.ContainsFunc(s.options.Functions, func(known string) bool { return functionName(known) == name }) {
		return true
	}
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

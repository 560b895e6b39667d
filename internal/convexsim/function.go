package convexsim

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
)

// System queries of the backend that the command line client uses.
const (
	envQuery       = "_system/cli/queryEnvironmentVariables:default"
	envQueryOne    = "_system/cli/queryEnvironmentVariables:get"
	tableSizeQuery = "_system/cli/tableSize:default"
	apiSpecQuery   = "_system/cli/modules:apiSpec"
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

// functionName is a function's path with its default parts spelled out:
// "notes.js:list" and "notes:list" are the same.
func functionName(text string) string {
	module, name, named := strings.Cut(text, ":")
	if !named {
		name = "default"
	}
	return strings.TrimSuffix(module, ".js") + ":" + name
}

// handleFunction is POST /api/function and /api/run/…: a function of a pushed
// module succeeds with null, any other is unknown.
func (s *Server) handleFunction(w http.ResponseWriter, r *http.Request) error {
	return s.answerFunction(w, r, func(who identity, request functionRequest) (any, error) {
		name := functionName(*request.Path)
		if strings.HasPrefix(name, "_system/") {
			return s.systemQuery(who, name, request.arguments())
		}
		if !s.knowsFunction(name) {
			return nil, functionError(fmt.Sprintf("Could not find function for '%s'. Did you forget to run `npx convex dev` or `npx convex deploy`?", name))
		}
		return nil, nil
	})
}

// handleQuery is POST /api/query and its relatives for mutations and actions,
// which are for browsers: nothing but system queries has an answer.
func (s *Server) handleQuery(w http.ResponseWriter, r *http.Request) error {
	return s.answerFunction(w, r, func(who identity, request functionRequest) (any, error) {
		return s.runQuery(who, functionName(*request.Path), request.arguments())
	})
}

func (s *Server) runQuery(who identity, name string, arguments map[string]any) (any, error) {
	if strings.HasPrefix(name, "_system/") {
		return s.systemQuery(who, name, arguments)
	}
	if !s.knowsFunction(name) {
		return nil, functionError(fmt.Sprintf("Could not find public function for '%s'. Did you forget to run `npx convex dev` or `npx convex deploy`?", name))
	}
	return nil, functionError(notRun)
}

func (s *Server) answerFunction(w http.ResponseWriter, r *http.Request, run func(identity, functionRequest) (any, error)) error {
	who, err := s.requestIdentity(r)
	if err != nil {
		return err
	}
	var request functionRequest
	if err := readJSON(r, publicAPIBodyLimit, &request); err != nil {
		return err
	}
	if inPath := pathVariable(r); inPath != "" {
		module, name, ok := cutLast(inPath, "/")
		if !ok {
			return badRequest("MissingIdentifier", "Path or function name not provided in path, e.g. /api/run/messages/list")
		}
		joined := module + ":" + name
		request.Path = &joined
	}
	if request.Path == nil {
		return missingField("path")
	}
	if request.Args == nil {
		return missingField("args")
	}
	value, failed := run(who, request)
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
		writeJSON(w, http.StatusOK, map[string]any{"status": "error", "errorMessage": failed.Error()})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": "success", "value": value})
}

// knowsFunction reports whether a pushed module, or an option, has a function.
func (s *Server) knowsFunction(name string) bool {
	if slices.ContainsFunc(s.options.Functions, func(known string) bool { return functionName(known) == name }) {
		return true
	}
	module, export, _ := strings.Cut(name, ":")
	pushed, ok := s.store.view().Definitions[""].Modules[canonical(module)]
	return ok && slices.Contains(pushed.Exports, export)
}

// systemQuery answers the queries that the command line client asks the
// backend's own code.
func (s *Server) systemQuery(who identity, name string, arguments map[string]any) (any, error) {
	if who < readOnlyAdmin {
		return nil, functionError(fmt.Sprintf("Could not find public function for '%s'. Did you forget to run `npx convex dev` or `npx convex deploy`?", name))
	}
	environment := s.store.view().Environment
	switch name {
	case envQuery:
		return environmentDocuments(environment), nil
	case envQueryOne:
		wanted, _ := arguments["name"].(string)
		value, ok := environment[wanted]
		if builtIn, isBuiltIn := s.builtIn(wanted); isBuiltIn {
			value, ok = builtIn, true
		}
		if !ok {
			return nil, nil
		}
		return map[string]string{"name": wanted, "value": value}, nil
	case tableSizeQuery:
		return 0, nil
	case apiSpecQuery: // asked when a function is not found
		return []any{}, nil
	}
	if value, known := s.dashboardQuery(name, arguments); known {
		return value, nil
	}
	return nil, functionError(fmt.Sprintf("%s is not simulated", name))
}

// builtIn is the value of a variable that the backend itself provides.
func (s *Server) builtIn(name string) (value string, ok bool) {
	switch name {
	case cloudURLVariable:
		return s.origins().Cloud, true
	case siteURLVariable:
		return s.origins().Site, true
	}
	return "", false
}

func (s *Server) origins() Origins {
	if s.options.Origins != nil {
		return *s.options.Origins
	}
	return Origins{
		Cloud: fmt.Sprintf("http://127.0.0.1:%d", s.options.Port),
		Site:  fmt.Sprintf("http://127.0.0.1:%d", s.options.SitePort),
	}
}

// environmentDocument is a variable as the backend's table has it.
type environmentDocument struct {
	CreationTime float64 `json:"_creationTime"`
	ID           string  `json:"_id"`
	Name         string  `json:"name"`
	Value        string  `json:"value"`
}

func environmentDocuments(environment map[string]string) []environmentDocument {
	documents := []environmentDocument{}
	for i, name := range sortedKeys(environment) {
		id := fnv.New128a()
		_, _ = id.Write([]byte(name))
		documents = append(documents, environmentDocument{float64(1_700_000_000_000 + i), hex.EncodeToString(id.Sum(nil)), name, environment[name]})
	}
	return documents
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i <= 0 || i == len(text)-1 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

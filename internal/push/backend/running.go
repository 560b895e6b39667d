package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// StateRunning is the DeploymentState in which functions run.
const StateRunning = "running"

// DeploymentState asks for the state of the deployment: StateRunning, "paused", or
// what only Convex's own cloud sets ("disabled", "suspended"). It is "" when the
// backend cannot read the row, which a newer one has written.
//
// (npm-packages/system-udfs/convex/_system/frontend/deploymentState.ts: commit
// 5f66740a answers with the row, 94a42c3d translates its newer form into this one.)
func (c *Client) DeploymentState(ctx context.Context) (string, error) {
	var row struct {
		State string `json:"state"`
	}
	err := c.systemQuery(ctx, "_system/frontend/deploymentState:deploymentState", struct{}{}, &row)
	return row.State, err
}

// functionSpec is a function of the deployment, as `convex function-spec` reads it.
type functionSpec struct {
	Identifier   string
	FunctionType string
	Visibility   struct{ Kind string }
	Args         struct {
		Type  string
		Value json.RawMessage
	}
}

// takesNothing reports whether the function accepts {} for its arguments.
func (f functionSpec) takesNothing() bool {
	if f.Args.Type != "object" {
		return f.Args.Type == "any"
	}
	var fields map[string]struct{ Optional bool }
	if json.Unmarshal(f.Args.Value, &fields) != nil {
		return false
	}
	for _, field := range fields {
		if !field.Optional {
			return false
		}
	}
	return true
}

// ArgumentlessQuery returns a public query of the app that needs no arguments, as
// "module:name", or "" when there is none. The list, megabytes of a large app, is
// read no further than to the first one.
func (c *Client) ArgumentlessQuery(ctx context.Context) (string, error) {
	const list = "_system/cli/modules:apiSpec"
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	r := Request{Method: http.MethodPost, Path: queryPath, Body: strings.NewReader(`{"path":"` + list + `","args":{},"format":"json"}`)}
	response, err := c.Do(ctx, r)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	found, err := findQuery(json.NewDecoder(io.LimitReader(response.Body, maxAnswer)))
	if err != nil {
		return "", &UnexpectedAnswerError{Method: r.Method, Path: r.Path, Problem: fmt.Sprintf("the value of %s: %v", list, err)}
	}
	return found, nil
}

// findQuery reads the answer of a query whose value is a list of functions.
func findQuery(in *json.Decoder) (string, error) {
	if _, err := in.Token(); err != nil {
		return "", err
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return "", err
		}
		if key == "value" {
			return findInList(in)
		}
		var other any
		if err := in.Decode(&other); err != nil {
			return "", err
		}
		if key == "errorMessage" {
			return "", fmt.Errorf("%v", other)
		}
	}
	return "", io.ErrUnexpectedEOF
}

func findInList(in *json.Decoder) (string, error) {
	if _, err := in.Token(); err != nil {
		return "", err
	}
	for in.More() {
		var f functionSpec
		if err := in.Decode(&f); err != nil {
			return "", err
		}
		if f.FunctionType == "Query" && f.Visibility.Kind == "public" && f.takesNothing() {
			return strings.Replace(f.Identifier, ".js:", ":", 1), nil
		}
	}
	return "", nil
}

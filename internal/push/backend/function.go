package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// FunctionResult is what a function returned.
type FunctionResult struct {
	Value    json.RawMessage
	LogLines []string
}

// FunctionError is a function that ran and failed. The backend answers 200 to it.
type FunctionError struct {
	Function string
	Message  string
	LogLines []string
}

// Error names the function and gives the first line of its error.
func (e *FunctionError) Error() string {
	return fmt.Sprintf("%s failed: %s", e.Function, FirstLine(e.Message))
}

// Function runs one function of the deployment, public or internal, query,
// mutation or action, as "module:name", and returns its result within the limit.
// The error is a *FunctionError when the function itself failed.
func (c *Client) Function(ctx context.Context, limit time.Duration, function string, args any) (FunctionResult, error) {
	return c.run(ctx, limit, StageRunFunction.Path(), function, args)
}

// Query calls as Function does, for a query without arguments. What is no query is refused: it
// cannot change anything.
func (c *Client) Query(ctx context.Context, function string) (FunctionResult, error) {
	return c.run(ctx, probeTimeout, queryPath, function, nil)
}

func (c *Client) run(ctx context.Context, limit time.Duration, route, function string, args any) (FunctionResult, error) {
	if args == nil {
		args = struct{}{}
	}
	in := struct {
		Path   string `json:"path"`
		Args   any    `json:"args"`
		Format string `json:"format"`
	}{function, args, "json"}
	var answer struct {
		Status       string
		Value        json.RawMessage
		ErrorMessage string
		LogLines     []json.RawMessage
	}
	r := Request{Method: http.MethodPost, Path: route}
	if err := c.call(ctx, limit, r, in, &answer); err != nil {
		return FunctionResult{}, err
	}
	switch answer.Status {
	case "success":
		return FunctionResult{Value: answer.Value, LogLines: texts(answer.LogLines)}, nil
	case "error":
		return FunctionResult{}, &FunctionError{Function: function, Message: strings.TrimSpace(answer.ErrorMessage), LogLines: texts(answer.LogLines)}
	}
	return FunctionResult{}, &UnexpectedAnswerError{Method: r.Method, Path: r.Path, Problem: fmt.Sprintf("status %q", answer.Status)}
}

// texts turns log lines into text; a line that is not a JSON string, as newer
// backends may send, stays JSON.
func texts(lines []json.RawMessage) []string {
	var out []string
	for _, line := range lines {
		var text string
		if json.Unmarshal(line, &text) != nil {
			text = string(line)
		}
		out = append(out, text)
	}
	return out
}

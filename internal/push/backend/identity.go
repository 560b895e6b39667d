package backend

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// Version asks which release the backend is, without a key. Images that were
// built without the version compiled in answer "unknown": good as a sign of life,
// not as a version check.
func (c *Client) Version(ctx context.Context) (string, error) {
	return c.ask(ctx, "/version")
}

// InstanceName asks for the backend's instance name, without a key.
func (c *Client) InstanceName(ctx context.Context) (string, error) {
	return c.ask(ctx, "/instance_name")
}

func (c *Client) ask(ctx context.Context, path string) (string, error) {
	var text string
	err := c.call(ctx, probeTimeout, Request{Method: http.MethodGet, Path: path, Anonymous: true}, nil, &text)
	return text, err
}

// CheckAdminKey asks whether the key may push. The answer to a wrong key is an
// *APIError: 401 BadAdminKey for a key of another name or secret, 403
// ReadOnlyAdminKey, OperationNotPermitted or BadDeployKey for one that may not. A
// newer backend accepts the first two here and says what they may do; they are
// made the refusal that the push would meet. No list of operations means all
// (crates/local_backend/src/dashboard.rs and crates/keybroker/src/broker.rs of
// commit 94a42c3d).
func (c *Client) CheckAdminKey(ctx context.Context) error {
	var answer struct {
		Success    bool
		IsReadOnly bool
		AllowedOps []string
	}
	r := Request{Method: http.MethodGet, Path: StageCheckAdminKey.Path()}
	if err := c.call(ctx, probeTimeout, r, nil, &answer); err != nil {
		return err
	}
	if !answer.Success {
		return &UnexpectedAnswerError{Method: r.Method, Path: r.Path, Problem: "it does not say success"}
	}
	refused := &APIError{Method: r.Method, Path: r.Path, Status: http.StatusForbidden}
	if answer.IsReadOnly {
		refused.Code, refused.Message = "ReadOnlyAdminKey", "the key is read-only"
		return refused
	}
	var missing []string
	for _, operation := range []string{"Deploy", "ViewEnvironmentVariables", "WriteEnvironmentVariables", "ViewData"} {
		if len(answer.AllowedOps) > 0 && !slices.Contains(answer.AllowedOps, operation) {
			missing = append(missing, operation)
		}
	}
	if len(missing) > 0 {
		refused.Code, refused.Message = "OperationNotPermitted", "the key does not allow "+strings.Join(missing, ", ")
		return refused
	}
	return nil
}

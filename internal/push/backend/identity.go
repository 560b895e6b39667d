package backend

import (
	"context"
	"net/http"
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

// CheckAdminKey asks whether the key may write. The answer to a wrong key is an
// *APIError: 401 BadAdminKey for a key of another name or secret, 403
// ReadOnlyAdminKey or BadDeployKey for one that may not write.
func (c *Client) CheckAdminKey(ctx context.Context) error {
	var answer struct{ Success bool }
	r := Request{Method: http.MethodGet, Path: StageCheckAdminKey.Path()}
	if err := c.call(ctx, probeTimeout, r, nil, &answer); err != nil {
		return err
	}
	if !answer.Success {
		return &UnexpectedAnswerError{Method: r.Method, Path: r.Path, Problem: "it does not say success"}
	}
	return nil
}

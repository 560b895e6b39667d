package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// maxEnvBody is the largest body of an update that the backend reads (the 2 MiB
// default of its HTTP library; the env routes do not raise it).
const maxEnvBody = 2 << 20

// EnvUpdate sets one variable, or deletes it when Value is nil.
type EnvUpdate struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

// ListEnv reads the deployment's environment variables, without the built-in
// CONVEX_CLOUD_URL and CONVEX_SITE_URL.
func (c *Client) ListEnv(ctx context.Context) (map[string]string, error) {
	var answer struct {
		EnvironmentVariables map[string]string `json:"environmentVariables"`
	}
	r := Request{Method: http.MethodGet, Path: StageListEnv.Path()}
	if err := c.call(ctx, probeTimeout, r, nil, &answer); err != nil {
		return nil, err
	}
	if answer.EnvironmentVariables == nil {
		return nil, &UnexpectedAnswerError{Method: r.Method, Path: r.Path, Problem: "it has no environmentVariables"}
	}
	return answer.EnvironmentVariables, nil
}

// UpdateEnv applies all updates in one transaction: after an error that is an
// *APIError none of them is applied; after a *TransportError all are or none.
func (c *Client) UpdateEnv(ctx context.Context, updates []EnvUpdate) error {
	in := struct {
		Changes []EnvUpdate `json:"changes"`
	}{updates}
	body, err := encodeJSON(in)
	if err != nil {
		return err
	}
	if len(body) > maxEnvBody {
		return &EnvTooLargeError{Bytes: len(body)}
	}
	return c.call(ctx, writeTimeout, Request{Method: http.MethodPost, Path: StageUpdateEnv.Path()}, json.RawMessage(body), nil)
}

// EnvTooLargeError is an update that was not sent because the backend would not
// read it.
type EnvTooLargeError struct{ Bytes int }

// Error names the size and the limit.
func (e *EnvTooLargeError) Error() string {
	return fmt.Sprintf("the update of the environment variables is %d bytes, the backend reads at most %d in one request", e.Bytes, maxEnvBody)
}

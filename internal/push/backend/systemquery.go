package backend

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// queryPath runs queries and nothing else: a mutation or an action is refused there.
const queryPath = "/api/query"

// systemQuery runs one of the backend's own queries ("_system/..."), which need
// an admin key, and decodes its value into out.
func (c *Client) systemQuery(ctx context.Context, path string, args, out any) error {
	in := struct {
		Path   string `json:"path"`
		Args   any    `json:"args"`
		Format string `json:"format"`
	}{path, args, "json"}
	var answer struct {
		Status       string          `json:"status"`
		Value        json.RawMessage `json:"value"`
		ErrorMessage string          `json:"errorMessage"`
	}
	r := Request{Method: http.MethodPost, Path: queryPath}
	if err := c.call(ctx, probeTimeout, r, in, &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s failed: %s", path, FirstLine(answer.ErrorMessage))
	}
	if err := json.Unmarshal(answer.Value, out); err != nil {
		return &UnexpectedAnswerError{Method: r.Method, Path: r.Path, Problem: fmt.Sprintf("the value of %s: %v", path, err)}
	}
	return nil
}

// CanonicalURLs are the built-in variables CONVEX_CLOUD_URL and CONVEX_SITE_URL,
// which ListEnv does not have.
type CanonicalURLs struct {
	Cloud string `json:"convexCloudUrl"`
	Site  string `json:"convexSiteUrl"`
}

// CanonicalURLs asks for the deployment's own URLs.
func (c *Client) CanonicalURLs(ctx context.Context) (CanonicalURLs, error) {
	var urls CanonicalURLs
	r := Request{Method: http.MethodGet, Path: "/api/v1/get_canonical_urls"}
	err := c.call(ctx, probeTimeout, r, nil, &urls)
	return urls, err
}

// LastPusher returns the member id in the audit log's entry of the last finished push;
// found is false when nothing was pushed yet.
func (c *Client) LastPusher(ctx context.Context) (member string, found bool, err error) {
	var event *struct {
		Member any `json:"member_id"`
	}
	if err := c.systemQuery(ctx, "_system/frontend/deploymentEvents:lastPushEvent", struct{}{}, &event); err != nil {
		return "", false, err
	}
	if event == nil {
		return "", false, nil
	}
	return fmt.Sprint(event.Member), true, nil
}

// componentIDs returns the deployment's mounted components by path; the app itself,
// "", has no id where queries ask for one. One that was unmounted keeps its tables
// and its schemas, a pending one as well, for ever
// (crates/model/src/components/config.rs).
func (c *Client) componentIDs(ctx context.Context) (map[string]any, error) {
	var components []struct {
		ID    string `json:"id"`
		Path  string `json:"path"`
		State string `json:"state"`
	}
	err := c.systemQuery(ctx, "_system/frontend/components:list", struct{}{}, &components)
	ids := map[string]any{"": nil}
	for _, component := range components {
		if component.Path != "" && cmp.Or(component.State, "active") == "active" {
			ids[component.Path] = component.ID
		}
	}
	return ids, err
}

// PendingSchema returns the name of a component with a schema that a push started and did not
// finish: "the app", a component's path, or "" when there is none.
func (c *Client) PendingSchema(ctx context.Context) (string, error) {
	ids, err := c.componentIDs(ctx)
	if err != nil {
		return "", err
	}
	for path, id := range ids {
		var schemas struct {
			InProgress *string `json:"inProgress"`
		}
		if err := c.systemQuery(ctx, "_system/frontend/getSchemas", map[string]any{"componentId": id}, &schemas); err != nil {
			return "", err
		}
		if schemas.InProgress != nil {
			return cmp.Or(path, "the app"), nil
		}
	}
	return "", nil
}

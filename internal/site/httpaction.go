package site

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// HTTPActions asks for a path that no function has: any answer of the backend
// will do, and its own 404 is a sentence about functions or routes.
func (v *Visitor) HTTPActions(ctx context.Context) (string, error) {
	got, err := v.Ask(ctx, Request{URL: "/http_api/no-such-action"})
	if err != nil {
		return "", err
	}
	if got.StatusCode >= http.StatusInternalServerError {
		return "", fmt.Errorf("/http_api answered %d: %.80q", got.StatusCode, got.Body)
	}
	return fmt.Sprintf("the backend answers on /http_api (%d)", got.StatusCode), nil
}

// HTTPAction calls one of the app's HTTP actions on both of its public paths. Its
// answer must be JSON with the url that the action saw, which shows whether the
// proxy passed the visitor's on.
func (v *Visitor) HTTPAction(ctx context.Context, path string) (string, error) {
	for _, prefix := range []string{"", "/http_api"} {
		got, err := v.Ask(ctx, Request{URL: prefix + path})
		if err != nil {
			return "", err
		}
		if err := got.Want(http.StatusOK); err != nil {
			return "", err
		}
		var seen struct{ URL string }
		if err := json.Unmarshal(got.Body, &seen); err != nil || seen.URL != v.url+path {
			return "", fmt.Errorf("the action saw the URL %q instead of %s: %.200q", seen.URL, v.url+path, got.Body)
		}
	}
	return "saw " + v.url + path, nil
}

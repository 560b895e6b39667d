package site

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// AdminAPI reaches the backend's own API with an admin key, and not without.
func (v *Visitor) AdminAPI(ctx context.Context) (string, error) {
	const path = "/api/check_admin_key"
	got, err := v.Ask(ctx, Request{URL: path, Header: v.AdminHeader()})
	if err != nil {
		return "", err
	}
	if err := got.Want(http.StatusOK); err != nil {
		return "", err
	}
	if !accepted(got) {
		return "", fmt.Errorf("%s did not accept the key: %.200q", path, got.Body)
	}
	// Without a key the same path is the application's, not the admin API's.
	stranger, err := v.Ask(ctx, Request{URL: path})
	if err != nil {
		return "", err
	}
	if accepted(stranger) {
		return "", fmt.Errorf("%s accepts a stranger: %.200q", path, stranger.Body)
	}
	return "the key is accepted, a stranger is not", nil
}

// accepted reports whether the backend said that it accepts an admin key.
func accepted(a *Answer) bool {
	var verdict struct{ Success bool }
	return a.StatusCode == http.StatusOK && json.Unmarshal(a.Body, &verdict) == nil && verdict.Success
}

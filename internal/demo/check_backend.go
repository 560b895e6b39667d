package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
)

// uploadSize is how large a file the storage check sends, in bytes.
const uploadSize = 1 << 20

// adminAPI reaches the backend's own API with an admin key, and not without.
func (v *visitor) adminAPI(ctx context.Context) (string, error) {
	const path = "/api/check_admin_key"
	got, err := v.ask(ctx, request{url: path, headers: v.asAdmin()})
	if err != nil {
		return "", err
	}
	if err := got.want(http.StatusOK); err != nil {
		return "", err
	}
	if !accepted(got) {
		return "", fmt.Errorf("%s did not accept the key: %.200q", path, got.body)
	}
	// Without a key the same path is the application's, not the admin API's.
	stranger, err := v.ask(ctx, request{url: path})
	if err != nil {
		return "", err
	}
	if accepted(stranger) {
		return "", fmt.Errorf("%s accepts a stranger: %.200q", path, stranger.body)
	}
	return "the key is accepted, a stranger is not", nil
}

// accepted tells whether the backend said that it accepts an admin key.
func accepted(a *answer) bool {
	var verdict struct{ Success bool }
	return a.StatusCode == http.StatusOK && json.Unmarshal(a.body, &verdict) == nil && verdict.Success
}

// storage uploads a file and downloads it again.
func (v *visitor) storage(ctx context.Context) (string, error) {
	file := make([]byte, uploadSize)
	_, _ = rand.Read(file) // never fails, says its documentation
	sent, err := v.ask(ctx, request{
		method: http.MethodPost, url: "/api/storage/upload?token=demo", body: file,
		headers: map[string]string{"Content-Type": "application/octet-stream"},
	})
	if err != nil {
		return "", err
	}
	if err := sent.want(http.StatusOK); err != nil {
		return "", err
	}
	var stored struct{ StorageID string }
	if err := json.Unmarshal(sent.body, &stored); err != nil || stored.StorageID == "" {
		return "", fmt.Errorf("the upload was answered without a storageId: %.200q", sent.body)
	}
	got, err := v.ask(ctx, request{url: "/api/storage/" + stored.StorageID})
	if err != nil {
		return "", err
	}
	if err := got.want(http.StatusOK); err != nil {
		return "", err
	}
	if !bytes.Equal(got.body, file) {
		return "", fmt.Errorf("%d bytes came back that differ from the %d sent", len(got.body), len(file))
	}
	return fmt.Sprintf("%d bytes", len(got.body)), nil
}

// httpAction calls the guestbook's HTTP action on both of its public paths. The
// answer has the URL as the action saw it, which tells whether the proxy passed
// the visitor's on.
func (v *visitor) httpAction(ctx context.Context) (string, error) {
	const path = "/api/guestbook"
	for _, prefix := range []string{"", "/http_api"} {
		got, err := v.ask(ctx, request{url: prefix + path})
		if err != nil {
			return "", err
		}
		if err := got.want(http.StatusOK); err != nil {
			return "", err
		}
		var seen struct{ URL string }
		if err := json.Unmarshal(got.body, &seen); err != nil || seen.URL != v.site+path {
			return "", fmt.Errorf("the action saw the URL %q instead of %s: %.200q", seen.URL, v.site+path, got.body)
		}
	}
	return "saw " + v.site + path, nil
}

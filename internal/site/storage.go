package site

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// uploadSize is how large a file Storage sends, in bytes: the default limit of
// usual proxies in front.
const uploadSize = 1 << 20

// refusedError is a backend that got a whole upload and wants the upload URL of a
// function for it: only a function can make one.
type refusedError struct {
	bytes int
	code  string // the backend's
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("%d bytes reached the backend, which wants an upload URL of a function (%s)", e.bytes, e.code)
}

// Storage uploads a file of 1 MiB and downloads it again. A backend that wants an
// upload URL passes: its refusal shows that the route and the size do.
func (v *Visitor) Storage(ctx context.Context) (string, error) {
	file := make([]byte, uploadSize)
	_, _ = rand.Read(file) // never fails, says its documentation
	id, err := v.upload(ctx, file)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return refused.Error(), nil
	}
	if err != nil {
		return "", err
	}
	got, err := v.Ask(ctx, Request{URL: "/api/storage/" + id})
	if err != nil {
		return "", err
	}
	if err := got.Want(http.StatusOK); err != nil {
		return "", err
	}
	if !bytes.Equal(got.Body, file) {
		return "", fmt.Errorf("%d bytes came back that differ from the %d sent", len(got.Body), len(file))
	}
	return fmt.Sprintf("%d bytes up and down", len(file)), nil
}

func (v *Visitor) upload(ctx context.Context, file []byte) (id string, err error) {
	sent, err := v.Ask(ctx, Request{
		Method: http.MethodPost, URL: "/api/storage/upload?token=visitor", Body: file,
		Header: map[string]string{"Content-Type": "application/octet-stream"},
	})
	if err != nil {
		return "", err
	}
	var answer struct{ StorageID, Code string }
	readable := json.Unmarshal(sent.Body, &answer) == nil
	if sent.StatusCode != http.StatusOK && sent.StatusCode < http.StatusInternalServerError && readable && answer.Code != "" {
		return "", &refusedError{len(file), answer.Code}
	}
	if err := sent.Want(http.StatusOK); err != nil {
		return "", err
	}
	if answer.StorageID == "" {
		return "", fmt.Errorf("the upload was answered without a storageId: %.200q", sent.Body)
	}
	return answer.StorageID, nil
}

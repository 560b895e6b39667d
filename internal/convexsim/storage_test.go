package convexsim_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
)

func TestUploadsAreStoredAndSurviveARestart(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	content := make([]byte, 5<<20)
	_, _ = rand.Read(content)
	var uploaded struct {
		StorageID string `json:"storageId"`
	}
	call(t, s, http.MethodPost, "/api/storage/upload?token=t", content, noKey, header("Content-Type", "image/png")).decode(t, &uploaded)
	s = simtest.Restart(t, s)
	path := "/api/storage/" + uploaded.StorageID
	got := call(t, s, http.MethodGet, path, nil, noKey)
	if !bytes.Equal([]byte(got.body), content) || got.header.Get("Content-Type") != "image/png" ||
		!strings.HasPrefix(got.header.Get("Digest"), "sha-256=") || got.header.Get("Cache-Control") != "private, max-age=2592000" {
		t.Errorf("got %d bytes with %v", len(got.body), got.header)
	}
	part := call(t, s, http.MethodGet, path, nil, header("Range", "bytes=1-4"))
	if part.status != http.StatusPartialContent || part.body != string(content[1:5]) || part.header.Get("Content-Range") != "bytes 1-4/5242880" {
		t.Errorf("the range got %d %q %v", part.status, part.body, part.header)
	}
}

func TestStorageFailures(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	wantFailure(t, "no token", call(t, s, http.MethodPost, "/api/storage/upload", "x"), 400, "BadQueryArgs")
	wantFailure(t, "no id", call(t, s, http.MethodGet, "/api/storage/nonsense", nil), 400, "InvalidStoragePath")
	wantFailure(t, "unknown id", call(t, s, http.MethodGet, "/api/storage/30eb57c4-c311-43f1-aa36-4a222e76bb9c", nil), 404, "FileNotFound")
}

func TestActionCallbacksAreAnswered(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	if got := call(t, s, http.MethodPost, "/api/actions/query", `{}`, noKey); got.status != http.StatusOK || !strings.Contains(got.body, `"status":"success"`) {
		t.Errorf("got %+v", got)
	}
}

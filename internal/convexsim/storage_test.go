package convexsim_test

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
)

func TestUploadsAreStoredAndSurviveARestart(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	content := make([]byte, 5<<20)
	_, _ = rand.Read(content)
	var uploaded struct {
		StorageID string `json:"storageId"`
	}
	call(t, s, http.MethodPost, uploadPath(t, s), content, noKey, header("Content-Type", "image/png")).decode(t, &uploaded)
	wantFailure(t, "the document's id", call(t, s, http.MethodGet, "/api/storage/"+uploaded.StorageID, nil), 400, "InvalidStoragePath")
	s = simtest.Restart(t, s)
	var file struct{ Value struct{ URL string } }
	call(t, s, http.MethodPost, "/api/query", functionCall("_system/frontend/fileStorageV2:getFile", object{"storageId": uploaded.StorageID})).decode(t, &file)
	path, ok := strings.CutPrefix(file.Value.URL, s.URL())
	if !ok {
		t.Fatalf("the file's address is %q", file.Value.URL)
	}
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

const uploadURL = "_system/frontend/fileStorageV2:generateUploadUrl"

// uploadPath asks for an upload URL as the dashboard's Files tab does.
func uploadPath(t *testing.T, s *convexsim.Server) string {
	t.Helper()
	var got struct{ Value string }
	call(t, s, http.MethodPost, "/api/mutation", functionCall(uploadURL, object{})).decode(t, &got)
	path, ok := strings.CutPrefix(got.Value, s.URL())
	if !ok || !strings.HasPrefix(path, "/api/storage/upload?token=01") {
		t.Fatalf("the upload URL is %q", got.Value)
	}
	return path
}

func TestStorageFailures(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	wantFailure(t, "no token", call(t, s, http.MethodPost, "/api/storage/upload", "x"), 400, "BadQueryArgs")
	good, readOnly := uploadPath(t, s), mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{ReadOnly: true})
	if got := call(t, s, http.MethodPost, "/api/mutation", functionCall(uploadURL, object{}), withKey(readOnly)); got.status != 200 || !strings.Contains(got.body, "permission") {
		t.Errorf("an upload URL for a read-only key: %+v", got)
	}
	for name, token := range map[string]string{"words": "visitor", "nothing": "", "an admin key": s.AdminKey(), "one digit wrong": good[strings.Index(good, "=")+1:len(good)-1] + "x"} {
		wantFailure(t, name, call(t, s, http.MethodPost, "/api/storage/upload?token="+url.QueryEscape(token), "x", noKey), 401, "StorageTokenInvalid")
	}
	other := keybroker.Broker{Instance: "other", Secret: convexsim.DefaultInstanceSecret}
	ours := keybroker.Broker{Instance: convexsim.DefaultInstanceName, Secret: convexsim.DefaultInstanceSecret}
	for code, by := range map[string]struct {
		broker keybroker.Broker
		at     time.Time
	}{"InvalidStorageToken": {other, time.Now()}, "StorageTokenExpired": {ours, time.Now().Add(-time.Hour)}} {
		token, err := by.broker.UploadToken(by.at)
		if err != nil {
			t.Fatal(err)
		}
		wantFailure(t, code, call(t, s, http.MethodPost, "/api/storage/upload?token="+token, "x", noKey), 401, code)
	}
	wantFailure(t, "no id", call(t, s, http.MethodGet, "/api/storage/nonsense", nil), 400, "InvalidStoragePath")
	wantFailure(t, "unknown id", call(t, s, http.MethodGet, "/api/storage/30eb57c4-c311-43f1-aa36-4a222e76bb9c", nil), 404, "FileNotFound")
}

func TestActionCallbacksAreAnswered(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	if got := call(t, s, http.MethodPost, "/api/actions/query", `{}`, noKey); got.status != http.StatusOK || !strings.Contains(got.body, `"status":"success"`) {
		t.Errorf("got %+v", got)
	}
}

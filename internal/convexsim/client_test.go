package convexsim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
)

// answered is an answer read to its end.
type answered struct {
	status int
	header http.Header
	body   string
}

// code returns the code of a JSON failure.
func (a answered) code(t *testing.T) string {
	t.Helper()
	var body struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	a.decode(t, &body)
	return body.Code
}

func (a answered) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("cannot decode %q: %v", a.body, err)
	}
}

type edit func(*http.Request)

func header(name, value string) edit {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func withKey(key string) edit { return header("Authorization", "Convex "+key) }

func noKey(r *http.Request) { r.Header.Del("Authorization") }

// call makes a request with the simulator's own admin key and, when there is a
// body, as JSON.
func call(t *testing.T, s *convexsim.Server, method, path string, body any, edits ...edit) answered {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, encode(t, body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Convex "+s.AdminKey())
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, edit := range edits {
		edit(request)
	}
	return send(t, request)
}

func send(t *testing.T, request *http.Request) answered {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(text)}
}

func encode(t *testing.T, body any) io.Reader {
	t.Helper()
	switch body := body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(body)
	case []byte:
		return bytes.NewReader(body)
	default:
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.NewReader(data)
	}
}

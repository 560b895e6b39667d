package header

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// server notes with which lengths answers go out, as the server of a protocol sees them.
type server struct {
	http.ResponseWriter
	lengths map[int][]string
}

func (s *server) WriteHeader(status int) { s.lengths[status] = s.Header()["Content-Length"] }

// hint has an upstream answer 103 and 200, and returns what the server saw.
func hint(t *testing.T, protocol int, own http.Header) map[int][]string {
	t.Helper()
	w := &server{httptest.NewRecorder(), map[int][]string{}}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.ProtoMajor = protocol
	err := new(Response).ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		for name, values := range own {
			w.Header()[name] = values
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return w.lengths
}

// net/http leaves the length out of an informational answer, for which it copies the header;
// the server of HTTP/3 would send it.
func TestOnlyNetHTTPIsGivenALengthToLeaveOut(t *testing.T) {
	for protocol, want := range map[int]bool{1: true, 2: true, 3: false} {
		lengths := hint(t, protocol, nil)
		if got, informed := lengths[http.StatusEarlyHints]; !informed || (got != nil) != want {
			t.Errorf("HTTP/%d: the length of the informational answer is %q", protocol, got)
		}
		if got, answered := lengths[http.StatusOK]; !answered || got != nil {
			t.Errorf("HTTP/%d: the length of the answer is %q", protocol, got)
		}
	}
}

func TestALengthThatIsThereStays(t *testing.T) {
	for status, got := range hint(t, 2, http.Header{"Content-Length": {"5"}}) {
		if len(got) != 1 || got[0] != "5" {
			t.Errorf("%d goes out with the length %q", status, got)
		}
	}
}

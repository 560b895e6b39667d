package rollout

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// TestProxyIsAskedByItsPort: its own document is taken, and no other answer is.
func TestProxyIsAskedByItsPort(t *testing.T) {
	for answer, want := range map[string]string{
		`{"available": true, "upstreams": [{"upstream": "platform:3000", "available": true}]}`: "platform:3000",
		`{"available": true}`: "",
		`OK`:                  "",
		`[]`:                  "",
		`{"upstreams": [` + strings.Repeat(`{"upstream": "x"},`, statusLimit/10): "",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != stack.ProxyHealthPath || r.URL.RawQuery != stack.ProxyStatusQuery {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			_, _ = io.WriteString(w, answer)
		}))
		serving, err := askPort(t.Context(), strings.TrimPrefix(server.URL, "http://"))
		server.Close()
		got := ""
		if err == nil {
			got = serving.Upstreams[0].Upstream
		}
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.80s: %q, %v; want %q", answer, got, err, want)
		}
	}
}

func TestSilentPortOfAProxyIsGivenUp(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	if _, err := askPort(t.Context(), strings.TrimPrefix(server.URL, "http://")); err == nil {
		t.Error("there was an answer")
	}
}

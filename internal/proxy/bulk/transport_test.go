package bulk

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
)

func TestOnlyTheLastAttemptIsOffered(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			w.Header().Set("Content-Length", strconv.Itoa(threshold))
			_, _ = w.Write(make([]byte, threshold))
		}
	}))
	defer origin.Close()
	a := new(answer)
	vars := map[string]any{answerVar: a}
	transport := new(Transport)
	if err := transport.Provision(caddytest.EmptyContext(t)); err != nil {
		t.Fatal(err)
	}
	for path, offered := range map[string]bool{"/large": true, "/small": false} {
		a.offered = &body{} // an earlier attempt's
		request, err := http.NewRequestWithContext(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, vars), http.MethodGet, origin.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.offered != nil; got != offered {
			t.Errorf("%s: offered %v", path, a.offered)
		}
		_ = response.Body.Close()
	}
}

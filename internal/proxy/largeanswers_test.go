package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// An answer that is not taken is a megabyte in the memory of the proxy and the kernel. What
// one visitor may leave lying is limited, over each protocol; others get theirs.
func TestLargeAnswersThatAreNotTakenAreLimited(t *testing.T) {
	platform := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(8<<20))
		_, _ = w.Write(make([]byte, 8<<20))
	}))
	p := startEdited(t, config.Environ{"HTTP3": "on", "PLATFORM_UPSTREAM": platform}, func(cfg *caddy.Config) {
		text := string(cfg.AppsRaw["tale_limits"])
		cfg.AppsRaw["tale_limits"] = []byte(strings.Replace(text, "{", fmt.Sprintf(`{"answers":4,"answer_patience":%d,`, time.Nanosecond), 1))
	})
	overHTTP2 := p.newClient()
	overHTTP2.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	for protocol, send := range map[string]func(*http.Request) (*http.Response, error){
		"HTTP/1.1": p.client.Do, "HTTP/2.0": overHTTP2.Do, "HTTP/3.0": func(r *http.Request) (*http.Response, error) {
			return p.overHTTP3(siteName).RoundTrip(r) // of its own: what lies there fills a connection
		},
	} {
		get := func() *http.Response {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base()+"/big", nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := send(request)
			if err != nil {
				t.Fatalf("%s: %v", protocol, err)
			}
			return response
		}
		var lying []*http.Response
		for _, want := range []int{200, 200, 429} {
			response := get()
			if response.StatusCode != want || response.Proto != protocol {
				t.Errorf("answer %d: %s over %s, want %d", len(lying), response.Status, response.Proto, want)
			}
			lying = append(lying, response)
		}
		if got := text(t, lying[2]); got != "429 Too Many Requests\n" || lying[2].Header.Get("Retry-After") == "" {
			t.Errorf("%s: the refusal is %q with %v", protocol, got, lying[2].Header)
		}
		if n, err := io.Copy(io.Discard, lying[0].Body); n != 8<<20 || err != nil {
			t.Errorf("%s: %d bytes came, %v", protocol, n, err)
		}
		_, _ = lying[0].Body.Close(), lying[1].Body.Close()
		testkit.Eventually(t, "there is room again", func() bool {
			response := get()
			defer func() { _ = response.Body.Close() }()
			return response.StatusCode == http.StatusOK
		})
	}
}

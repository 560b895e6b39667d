package terminators

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// large is more than the default limits of the terminators.
const large = 64 << 20

// check visits the site through the terminator at the address.
func (s *site) check(terminator string) {
	client := s.visitor(terminator)
	s.untilReady(client)
	s.t.Run("page", func(t *testing.T) { s.checkPage(t, client) })
	s.t.Run("redirects", func(t *testing.T) { s.checkRedirects(t, client) })
	s.t.Run("socket", func(t *testing.T) { s.checkSocket(t, client) })
	s.t.Run("large body", func(t *testing.T) { s.checkLargeBody(t, client) })
}

// untilReady waits for the proxy's probes of what is behind it.
func (s *site) untilReady(client *http.Client) {
	s.t.Helper()
	testkit.Eventually(s.t, "the site is ready", func() bool {
		response, err := client.Get(s.url("/health?deep"))
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func (s *site) url(path string) string { return "https://" + siteName + s.base + path }

// checkPage sends what visitors may lie about, too.
func (s *site) checkPage(t *testing.T, client *http.Client) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url("/a%2Fb?c=%20d"), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"X-Forwarded-For": {"6.6.6.6"}, "X-Real-Ip": {"6.6.6.6"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"evil.example"}}
	got := decode(t, client, request)
	if got.On != "platform" || got.URI != "/a%2Fb?c=%20d" || got.Host != siteName {
		t.Errorf("arrived: %+v", got)
	}
	s.checkForwarded(t, got)
}

func (s *site) checkForwarded(t *testing.T, got seen) {
	t.Helper()
	for name, want := range map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": siteName, "X-Forwarded-Prefix": s.base} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	if first, _, _ := strings.Cut(got.Header.Get("X-Forwarded-For"), ","); first != visitorAddress {
		t.Errorf("X-Forwarded-For is %q, want %s first", got.Header.Get("X-Forwarded-For"), visitorAddress)
	}
	if real := got.Header.Get("X-Real-Ip"); real != visitorAddress {
		t.Errorf("X-Real-Ip is %q, want %s", real, visitorAddress)
	}
}

func (s *site) checkRedirects(t *testing.T, client *http.Client) {
	for path, want := range map[string]string{"/redirect": s.base + "/login", "": s.base + "/"} {
		if path == "" && s.base == "" {
			continue
		}
		response, err := client.Get(s.url(path))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		location := strings.TrimPrefix(response.Header.Get("Location"), "https://"+siteName)
		if response.StatusCode/100 != 3 || location != want {
			t.Errorf("%s: %d to %q, want %q", s.url(path), response.StatusCode, response.Header.Get("Location"), want)
		}
	}
}

func (s *site) checkSocket(t *testing.T, client *http.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, s.url("/ws_api/api/1.48.0/sync"), &websocket.DialOptions{HTTPClient: client}) //nolint:bodyclose // it is the connection
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.CloseNow() }()
	_, text, err := socket.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got seen
	if err := json.Unmarshal(text, &got); err != nil || got.On != "backend" || got.URI != "/api/1.48.0/sync" {
		t.Errorf("arrived: %+v, %v", got, err)
	}
	s.checkForwarded(t, got)
}

func (s *site) checkLargeBody(t *testing.T, client *http.Client) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url("/api/storage/upload?token=t"), io.LimitReader(zeros{}, large))
	if err != nil {
		t.Fatal(err)
	}
	if got := decode(t, client, request); got.On != "backend" || got.Bytes != large {
		t.Errorf("%d of %d bytes arrived at %s", got.Bytes, large, got.On)
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func decode(t *testing.T, client *http.Client, request *http.Request) (got seen) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || json.Unmarshal(body, &got) != nil {
		t.Fatalf("%s: %d, %v: %.300s", request.URL, response.StatusCode, err, body)
	}
	return got
}

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/config"
)

// The configured times are too long for a test, so each is shortened where it
// stands in the configuration.
func TestSilentConnectionsAreClosed(t *testing.T) {
	for name, tt := range map[string]struct {
		says, limit string
		value       time.Duration
		answer      string
	}{
		"that never begin":      {"", "read_header_timeout", 10 * time.Second, ""},
		"in the middle of one":  {"GET / HTTP/1.1\r\nHost: x\r\nX-", "read_header_timeout", 10 * time.Second, "400 Bad Request"},
		"that have been served": {"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "idle_timeout", 2 * time.Minute, "200 OK"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startEdited(t, config.Environ{"TLS_MODE": "external"}, func(cfg *caddy.Config) {
				replaceInHTTP(t, cfg, fmt.Sprintf(`"%s":%d`, tt.limit, tt.value), fmt.Sprintf(`"%s":%d`, tt.limit, 200*time.Millisecond))
			})
			conn := p.dial(nil)
			_, _ = io.WriteString(conn, tt.says)
			answer, err := io.ReadAll(conn) // until the proxy hangs up
			if err != nil || !strings.Contains(string(answer), tt.answer) || tt.answer == "" && len(answer) > 0 {
				t.Errorf("got %q, %v", answer, err)
			}
		})
	}
}

func TestHeaderLimits(t *testing.T) {
	p := start(t, nil)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		client := p.client
		if protocol == "HTTP/2" {
			client = p.newClient()
			client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
		}
		for bytes, want := range map[int]int{16 << 10: 200, 60 << 10: 200, 128 << 10: 431} {
			request, _ := http.NewRequestWithContext(t.Context(), "GET", p.base()+"/", nil)
			request.Header.Set("Cookie", strings.Repeat("x", bytes))
			response, err := client.Do(request)
			if err != nil && want != 200 && protocol == "HTTP/2" {
				continue // the client has been told of the limit, and keeps to it
			}
			if err != nil {
				t.Fatalf("%d bytes of cookies over %s: %v", bytes, protocol, err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want || !strings.HasPrefix(response.Proto, protocol) {
				t.Errorf("%d bytes of cookies over %s: %d", bytes, response.Proto, response.StatusCode)
			}
		}
	}
}

// Endless heads must not be read to their end.
func TestAHeadWithoutEndIsRefused(t *testing.T) {
	p := start(t, config.Environ{"TLS_MODE": "external"})
	conn := p.dial(nil)
	answered := make(chan int, 1)
	go func() {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			answered <- 0
			return
		}
		_ = response.Body.Close()
		answered <- response.StatusCode
	}()
	_, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
	written := 0
	for i := 0; err == nil && written < 1<<20; i++ {
		var n int
		n, err = fmt.Fprintf(conn, "X-%d: %s\r\n", i, strings.Repeat("x", 1000))
		written += n
	}
	if status := <-answered; status != http.StatusRequestHeaderFieldsTooLarge && status != 0 {
		t.Errorf("status %d", status)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("still open after %d bytes: %v", written, err)
	}
}

func isTimeout(err error) bool {
	netErr, ok := err.(net.Error)
	return ok && netErr.Timeout()
}

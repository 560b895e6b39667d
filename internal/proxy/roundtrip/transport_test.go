package roundtrip

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func newTransport(t *testing.T) *Transport {
	t.Helper()
	transport := new(Transport)
	if err := transport.Provision(caddytest.EmptyContext(t)); err != nil {
		t.Fatal(err)
	}
	return transport
}

// impatient answers every request before it has read the body, and closes.
func impatient(t *testing.T, answer string) (address string) {
	t.Helper()
	return testkit.Listen(t, func(conn net.Conn) {
		_, _ = bufio.NewReaderSize(conn, 16).ReadString('\n') // the rest is left unread, which resets
		_, _ = io.WriteString(conn, answer)
	})
}

// exchange sends one request and returns the answer, and its body as far as it came.
func exchange(t *testing.T, transport *Transport, method, address string, body io.Reader) (response *http.Response, got string, end error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err = transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	text, end := io.ReadAll(response.Body)
	_ = response.Body.Close()
	return response, string(text), end
}

func TestAnEarlyAnswerSurvivesTheFailureOfTheBody(t *testing.T) {
	const said = "too big, and here is why"
	address := impatient(t, "HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n"+said)
	transport := newTransport(t)
	for range 100 {
		response, got, err := exchange(t, transport, http.MethodPost, address, strings.NewReader(strings.Repeat("x", 3<<20)))
		if response.StatusCode != http.StatusRequestEntityTooLarge || got != said || err != nil {
			t.Fatalf("%d %q, %v", response.StatusCode, got, err)
		}
	}
}

// Only where a body was to be sent can a reset be the end of an answer.
func TestAnAnswerThatAResetEndsIsCut(t *testing.T) {
	const half = "half of it"
	address := impatient(t, "HTTP/1.1 200 OK\r\n\r\n"+half)
	transport := newTransport(t)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		_, got, err := exchange(t, transport, method, address, http.NoBody)
		if got != half || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s: %q, %v", method, got, err)
		}
	}
}

// A dial outlives the need for it, and its request goes on meanwhile. The race detector
// is what fails here.
func TestADialDoesNotReadTheVariablesOfItsRequest(t *testing.T) {
	address := impatient(t, "")
	transport := newTransport(t)
	ctx := context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{})
	ctx = context.WithValue(ctx, caddy.CtxKey("reverse_proxy.dial_info"), reverseproxy.DialInfo{Network: "tcp", Address: address})
	dialled := make(chan error)
	go func() {
		conn, err := transport.Transport.DialContext(ctx, "tcp", address)
		if err == nil {
			err = conn.Close()
		}
		dialled <- err
	}()
	caddyhttp.SetVar(ctx, "a", "variable")
	if err := <-dialled; err != nil {
		t.Fatal(err)
	}
}

package roundtrip

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// impatient answers every request before it has read the body, and closes.
func impatient(t *testing.T, answer string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = bufio.NewReader(conn).ReadString('\n')
				_, _ = io.WriteString(conn, answer)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestAnEarlyAnswerSurvivesTheFailureOfTheBody(t *testing.T) {
	const said = "too big, and here is why"
	address := impatient(t, "HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n"+said)
	var dialer net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		inner, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return newConn(inner), nil
	}}
	for range 100 {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, strings.NewReader(strings.Repeat("x", 3<<20)))
		if err != nil {
			t.Fatal(err)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge || string(got) != said || err != nil {
			t.Fatalf("%d %q, %v", response.StatusCode, got, err)
		}
	}
}

// failing is a connection that can be neither read nor written.
type failing struct{ net.Conn }

var errFailing = errors.New("broken")

func (failing) Read([]byte) (int, error)  { return 0, errFailing }
func (failing) Write([]byte) (int, error) { return 0, errFailing }
func (failing) Close() error              { return nil }

func TestAWriteFailsWhenThereIsNothingLeftToRead(t *testing.T) {
	for name, end := range map[string]func(net.Conn){
		"end":   func(c net.Conn) { _, _ = c.Read(nil) },
		"close": func(c net.Conn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newConn(failing{})
			wrote := make(chan error, 1)
			go func() {
				_, err := c.Write([]byte("x"))
				wrote <- err
			}()
			select {
			case err := <-wrote:
				t.Fatalf("it did not wait: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
			end(c)
			if err := <-wrote; !errors.Is(err, errFailing) {
				t.Errorf("got %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, errFailing) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

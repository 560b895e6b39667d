package netcause_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestOfRealFailures makes each failure happen on loopback and classifies the
// error that net/http really returns.
func TestOfRealFailures(t *testing.T) {
	for kind, url := range map[netcause.Kind]string{
		netcause.Refused:  "http://" + freedAddress(t),
		netcause.Closed:   "http://" + testkit.Listen(t, func(c net.Conn) { readSome(c) }),
		netcause.Reset:    "http://" + testkit.Listen(t, reset),
		netcause.Protocol: "http://" + testkit.Listen(t, func(c net.Conn) { readSome(c); write(c, "\x15\x03\x01\x00\x02\x02\x16") }),
		netcause.Silent:   "http://" + testkit.Listen(t, silent),
		// It answers, and not to the end.
		netcause.Silent + " half": "http://" + testkit.Listen(t, func(c net.Conn) {
			readSome(c)
			write(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
			silent(c)
		}),
	} {
		t.Run(string(kind), func(t *testing.T) {
			kind, _, _ := strings.Cut(string(kind), " ")
			expect(t, get(t, httpclient.Transport{Transport: &http.Transport{}}, url), netcause.Kind(kind))
		})
	}
}

func TestOfTruncatedBody(t *testing.T) {
	address := testkit.Listen(t, func(c net.Conn) {
		readSome(c)
		write(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	})
	expect(t, get(t, http.DefaultTransport, "http://"+address), netcause.Closed)
}

// A peer may close the connection before the request is written.
func TestOfAConnectionClosedAtOnce(t *testing.T) {
	closed := make(chan struct{})
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return closing{conn, sync.OnceFunc(func() { close(closed) })}, err
	}}
	address := testkit.Listen(t, func(c net.Conn) { _ = c.Close() })
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { <-closed }})
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err == nil {
		_ = response.Body.Close()
	}
	expect(t, err, netcause.Closed)
}

// closing is a connection that tells when it is closed on this side.
type closing struct {
	net.Conn
	tell func()
}

func (c closing) Close() error {
	defer c.tell()
	return c.Conn.Close()
}

func TestOfTLS(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure.Config.ErrorLog, plain.Config.ErrorLog = nil, nil
	expect(t, getWithin(t, time.Minute, http.DefaultTransport, secure.URL), netcause.TLS)
	expect(t, getWithin(t, time.Minute, http.DefaultTransport, "https"+plain.URL[len("http"):]), netcause.TLS)
}

func TestOfWrapped(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want netcause.Kind
	}{
		"nil":            {nil, netcause.None},
		"not found":      {&net.DNSError{Name: "convex", IsNotFound: true}, netcause.DNS},
		"server failure": {&net.DNSError{Name: "convex", IsTemporary: true}, netcause.DNS},
		"slow resolver":  {&net.DNSError{Name: "convex", IsTimeout: true}, netcause.DNS},
		"no route":       {syscall.EHOSTUNREACH, netcause.Unreachable},
		"broken pipe":    {syscall.EPIPE, netcause.Reset},
		"canceled":       {context.Canceled, netcause.Canceled},
		"deadline":       {context.DeadlineExceeded, netcause.Timeout},
		"silence":        {netcause.Connected(context.DeadlineExceeded), netcause.Silent},
		"unknown":        {errors.New("moon phase"), netcause.Other},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.err != nil {
				tt.err = fmt.Errorf("cannot ask: %w", tt.err)
			}
			expect(t, tt.err, tt.want)
		})
	}
}

func expect(t *testing.T, err error, want netcause.Kind) {
	t.Helper()
	kind, explanation := netcause.Of(err)
	if kind != want {
		t.Errorf("Of(%v) = %q (%s), want %q", err, kind, explanation, want)
	}
	if (explanation == "") != (err == nil) {
		t.Errorf("explanation %q for %v", explanation, err)
	}
}

func get(t *testing.T, transport http.RoundTripper, url string) error {
	t.Helper()
	return getWithin(t, 300*time.Millisecond, transport, url)
}

func getWithin(t *testing.T, limit time.Duration, transport http.RoundTripper, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func freedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// The peers below do what they can; what the client makes of it is what counts.

func readSome(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }

func write(c net.Conn, text string) { _, _ = io.WriteString(c, text) }

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// reset closes with data unread and lingering off, which sends RST.
func reset(c net.Conn) {
	readSome(c)
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

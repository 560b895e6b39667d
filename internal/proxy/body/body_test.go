package body

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func newBody(ctx context.Context, from io.Reader) *watched {
	return &watched{ReadCloser: io.NopCloser(from), ctx: ctx, ended: make(chan struct{})}
}

func TestAnAnswerWaitsALittleForTheEndOfTheBody(t *testing.T) {
	for after, want := range map[time.Duration]bool{time.Millisecond: true, time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			b, read := newBody(t.Context(), strings.NewReader("")), make(chan struct{})
			go func() {
				defer close(read)
				<-time.After(after)
				_, _ = io.ReadAll(b)
			}()
			if got := b.endsSoon(); got != want {
				t.Errorf("an end after %v: %v", after, got)
			}
			<-read
		})
	}
}

// A reset may take the answer away from a visitor that is still writing.
func TestTheConnectionOfAnEarlyAnswerIsNotReset(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = struct{ io.ReadCloser }{r.Body} // as Caddy does, so that net/http does not know it any more
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
		_ = Handler{}.ServeHTTP(&caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return nil
		}))
	}))
	defer server.Close()
	for range 5 {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"+strings.Repeat("x", 3_000_000))
		}()
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 413 ") || !strings.Contains(string(answer), "Connection: close") {
			t.Errorf("%q, %v", answer, err)
		}
		_ = conn.Close()
	}
}

func TestFaultsOfABody(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	malformed := errors.New("malformed chunked encoding")
	for name, tt := range map[string]struct {
		ctx    context.Context
		err    error
		status int
	}{
		"malformed":             {t.Context(), malformed, http.StatusBadRequest},
		"cut":                   {t.Context(), io.ErrUnexpectedEOF, http.StatusBadRequest},
		"paused":                {t.Context(), os.ErrDeadlineExceeded, http.StatusRequestTimeout},
		"paused over HTTP/2":    {t.Context(), fmt.Errorf("%w", os.ErrDeadlineExceeded), http.StatusRequestTimeout},
		"paused, and given up":  {gone, os.ErrDeadlineExceeded, http.StatusRequestTimeout},
		"the visitor has left":  {gone, io.ErrUnexpectedEOF, 0},
		"nothing is the matter": {t.Context(), io.EOF, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBody(tt.ctx, iotest.ErrReader(tt.err))
			_, err := b.Read(make([]byte, 1))
			var answer caddyhttp.HandlerError
			if errors.As(err, &answer); answer.StatusCode != tt.status {
				t.Errorf("%d for %v", answer.StatusCode, err)
			}
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{bodyVar: b}))
			if fault := Fault(r); (fault != nil) != (tt.err != io.EOF) {
				t.Errorf("remembered: %v", fault)
			}
			if (Whole{}).Match(r) {
				t.Error("it could be sent again")
			}
		})
	}
}

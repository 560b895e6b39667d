package clidriver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/trace"
)

// tap is a listener on loopback that forwards everything to the backend, byte for
// byte and as it comes, and tells a trace what it sees. The CLI talks to it
// instead of to the backend, so that stage, progress and cause are known from the
// wire and not from the CLI's text. It adds no credentials and keeps no bodies.
type tap struct {
	log     *slog.Logger
	trace   *trace.Trace
	gone    func(*backend.APIError) // a route that every push needs does not exist
	target  *url.URL
	secrets *redact.Redactor // for the words of answers
	server  *http.Server
	address string
	cancel  context.CancelFunc // of all requests, WebSockets included
	served  chan struct{}
	relays  sync.WaitGroup
}

// startTap listens on a free port of loopback until stop.
func startTap(ctx context.Context, log *slog.Logger, backendURL string, secrets *redact.Redactor, t *trace.Trace, gone func(*backend.APIError)) (*tap, error) {
	target, err := url.Parse(backendURL)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot listen on loopback for the convex CLI: %w", err)
	}
	p := &tap{log: log, trace: t, gone: gone, target: target, secrets: secrets, address: "http://" + listener.Addr().String(), served: make(chan struct{})}
	transport := backend.NewTransport()
	// A request goes on when the CLI is being stopped; the CLI ends it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.cancel = cancel
	p.server = &http.Server{
		Handler:           p.handler(transport),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(p.served)
		_ = p.server.Serve(listener) // always ErrServerClosed
		transport.CloseIdleConnections()
	}()
	return p, nil
}

// stop closes the listener and every connection.
func (p *tap) stop() {
	p.cancel()
	_ = p.server.Close()
	<-p.served
	p.relays.Wait()
}

func (p *tap) handler(transport http.RoundTripper) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport:     &tapTransport{next: transport, tap: p},
		FlushInterval: -1, // as it comes
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.target)
			r.Out.Host = p.target.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery // as it was written
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			// What the CLI would have seen without us: a connection that breaks.
			panic(http.ErrAbortHandler)
		},
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.relays.Add(1)
		defer p.relays.Done()
		// An answer may begin before the request has ended.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			p.log.Debug("cannot relay both ways at once", "error", err)
		}
		proxy.ServeHTTP(w, r)
	})
}

// tapTransport watches the requests that belong to a push on their way.
type tapTransport struct {
	next http.RoundTripper
	tap  *tap
}

// RoundTrip forwards one request.
func (t *tapTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	stage, watched := backend.StageOfPath(strings.TrimPrefix(r.URL.Path, strings.TrimRight(t.tap.target.Path, "/")))
	if !watched || r.Method != http.MethodPost {
		return t.next.RoundTrip(r)
	}
	w := newTapWatch(t.tap, stage, r)
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = &tapBody{ReadCloser: r.Body, saw: w.requestBytes}
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		w.lost(err)
		return nil, err
	}
	w.response = response
	body := &tapBody{ReadCloser: response.Body, saw: w.answerBytes, ended: w.ended, left: response.ContentLength}
	if body.left == 0 {
		body.end(io.EOF)
	}
	response.Body = body
	return response, nil
}

// tapBody shows what is read through it.
type tapBody struct {
	io.ReadCloser
	saw   func([]byte)
	ended func(error) // may be nil
	once  sync.Once
	left  int64 // bytes to come, where the length is known
}

// Read passes on and shows. The end is known with the last byte: by the time the
// CLI has the whole answer, the trace has it, too.
func (b *tapBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.saw(p[:n])
	}
	if b.left -= int64(n); err == nil && b.left == 0 {
		b.end(io.EOF)
	} else if err != nil {
		b.end(err)
	}
	return n, err
}

// Close ends the body early when it was not read to its end.
func (b *tapBody) Close() error {
	err := b.ReadCloser.Close()
	b.end(context.Canceled)
	return err
}

func (b *tapBody) end(err error) {
	if b.ended != nil {
		b.once.Do(func() { b.ended(err) })
	}
}

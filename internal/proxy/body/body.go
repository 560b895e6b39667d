package body

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(Handler{})
	caddy.RegisterModule(Whole{})
}

// endTime is how long an answer waits for the end of the body, which lets the
// connection be used again.
const endTime = 20 * time.Millisecond

// bodyVar is where a request keeps its body between the routes and the error routes.
const bodyVar = "tale.body"

// Handler tells a fault of the visitor's body from one of the upstream that it is sent
// to: a body that pauses for too long is 408, one that is malformed or breaks off
// 400. An answer over HTTP/1 that is sent before the body has come ends the
// connection: what follows may be the rest of the body, and net/http would read
// some of it first, beside the upstream that reads it, too.
//
// It belongs ahead of whatever reads bodies, and into the error routes, too.
type Handler struct{}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_body",
		New: func() caddy.Module { return new(Handler) },
	}
}

// ServeHTTP watches the body, where there may be one. A tunnel's is no body.
func (Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.ContentLength == 0 || r.Body == nil || r.Method == http.MethodConnect {
		return next.ServeHTTP(w, r)
	}
	b, _ := caddyhttp.GetVar(r.Context(), bodyVar).(*watched)
	if b == nil {
		b = &watched{ReadCloser: r.Body, ctx: r.Context(), ended: make(chan struct{})}
		caddyhttp.SetVar(r.Context(), bodyVar, b)
		r.Body = b
	}
	if r.ProtoMajor != 1 {
		return next.ServeHTTP(w, r)
	}
	answer := &exchange.HeaderWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
	answer.Before = func(header http.Header, status int) {
		if status != http.StatusSwitchingProtocols && !b.endsSoon() {
			header["Connection"] = []string{"close"}
			closeGently(w)
		}
	}
	return next.ServeHTTP(answer, r)
}

// closeGently has net/http close its half of the connection first, and the other
// half later: a connection that is closed with bytes in it that were not read is
// reset, and then the visitor may never see the answer. It does that after a body
// that was too large.
func closeGently(w http.ResponseWriter) {
	for {
		wrapper, is := w.(interface{ Unwrap() http.ResponseWriter })
		if !is {
			break
		}
		w = wrapper.Unwrap()
	}
	_, _ = http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1))
}

// watched is a visitor's body. It is read by one goroutine and asked about by another.
type watched struct {
	io.ReadCloser
	ctx   context.Context
	begun atomic.Bool
	fault atomic.Pointer[error]
	once  sync.Once
	ended chan struct{}
}

func (b *watched) Read(p []byte) (int, error) {
	b.begun.Store(true)
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.once.Do(func() { close(b.ended) })
	} else if err != nil {
		err = b.visitorsFault(err)
		b.fault.Store(&err)
	}
	return n, err
}

// endsSoon reports whether the body has been read to its end. An upstream that does
// not look at bodies may answer while the last of one is on its way to it.
func (b *watched) endsSoon() bool {
	select {
	case <-b.ended:
		return true
	default:
	}
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-b.ended:
		return true
	case <-timer.C:
		return false
	}
}

// visitorsFault returns the error of a body with the status that is the answer to it.
// A visitor that has left gets none.
func (b *watched) visitorsFault(err error) error {
	status := http.StatusBadRequest
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case isNet && timeout.Timeout(), errors.Is(err, os.ErrDeadlineExceeded):
		status = http.StatusRequestTimeout
	case b.ctx.Err() != nil:
		return b.ctx.Err()
	}
	return caddyhttp.Error(status, fmt.Errorf("cannot read the visitor's body: %w", err))
}

// Fault returns why the body of a request could not be read, or nil. With a
// failure of the connection to a visitor net/http gives up the whole request, too,
// so that an exchange with an upstream may end in either error.
func Fault(r *http.Request) error {
	if b, _ := caddyhttp.GetVar(r.Context(), bodyVar).(*watched); b != nil {
		if fault := b.fault.Load(); fault != nil {
			return *fault
		}
	}
	return nil
}

// Whole matches a request whose body, if it has one, can still be sent: nothing
// of it was read.
type Whole struct{}

// CaddyModule returns the Caddy module information.
func (Whole) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.tale_whole_body",
		New: func() caddy.Module { return new(Whole) },
	}
}

// Match reports whether nothing of the body was read.
func (Whole) Match(r *http.Request) bool {
	b, _ := caddyhttp.GetVar(r.Context(), bodyVar).(*watched)
	return b == nil || !b.begun.Load()
}

// MatchWithError returns Match; the error is always nil.
func (m Whole) MatchWithError(r *http.Request) (bool, error) { return m.Match(r), nil }

var (
	_ caddyhttp.MiddlewareHandler       = Handler{}
	_ caddyhttp.RequestMatcherWithError = Whole{}
)

package limits

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(new(Handler)) }

// retryAfter is what a visitor with too much of something is told, in seconds.
const retryAfter = "10"

// refusalPatience is how long a visitor may take for the answer to a request that was
// one too many.
const refusalPatience = time.Second

// socketVar is the request variable with what a socket holds.
const socketVar = "tale_limits_socket"

// Handler measures request bodies. A body that comes too slowly is ended with 408,
// and one that comes slowly beside too many others with 429, after which the
// connection is closed. It belongs before all handlers that read the body.
//
// It also counts requests under way, each of which may hold a connection to an
// upstream while a connection of HTTP/2 carries hundreds of them, and as connections
// those WebSockets whose own does not stand for the visitor: the ones over HTTP/2 and
// HTTP/3, and those from trusted peers.
type Handler struct {
	app *App
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_limits",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision finds the limits.
func (h *Handler) Provision(ctx caddy.Context) (err error) {
	h.app, err = Of(ctx)
	return err
}

// ServeHTTP lets the rest of the chain answer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	network := visitorOf(r)
	if ok, _ := h.app.requests.take(network); !ok {
		h.app.refuse(network, tooManyRequests)
		turnAway(w, r)
		return nil
	}
	if !exchange.IsWebSocket(r) {
		defer h.app.requests.give(network)
		return h.serve(w, r, next)
	}
	s := &socket{app: h.app, network: network}
	defer s.done()
	if s.shared = isShared(r) && h.app.admit(network); isShared(r) && !s.shared {
		w.Header().Set("Retry-After", retryAfter)
		return caddyhttp.Error(http.StatusTooManyRequests, errTooManySockets)
	}
	caddyhttp.SetVar(r.Context(), socketVar, s)
	return h.serve(w, r, next)
}

// turnAway answers a request that is one too many, without a body: over HTTP/2 that
// would wait for the visitor to want it. One who does not even take the header in
// time loses the connection.
func turnAway(w http.ResponseWriter, r *http.Request) {
	sayTooMany(w)
	if c, ok := r.Context().Value(connKey{}).(*conn); ok && r.ProtoMajor > 1 && c.network != anybody {
		defer time.AfterFunc(refusalPatience, func() { _ = c.Close() }).Stop() // its server finds out
		_ = http.NewResponseController(w).Flush()
	}
}

func sayTooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", retryAfter)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusTooManyRequests)
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.Body == nil || r.ContentLength == 0 || r.Method == http.MethodConnect {
		return next.ServeHTTP(w, r)
	}
	return h.serveBody(w, r, next)
}

func (h *Handler) serveBody(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	controller := http.NewResponseController(w)
	b := &body{ReadCloser: r.Body, app: h.app, network: visitorOf(r), now: time.Now}
	b.interrupt = func() { _ = controller.SetReadDeadline(past) } // fails if the connection is gone
	defer b.finish()
	r.Body = b
	answered := &answer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, body: b}
	err := next.ServeHTTP(answered, r)
	status, why := b.status()
	if status == 0 || err == nil && !answered.withheld {
		return err
	}
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter)
	}
	return caddyhttp.Error(status, why)
}

// answer withholds what the reverse proxy says of a body that was ended here. A
// read that is interrupted also cancels the request, and the reverse proxy takes
// that, now and then, for a visitor who has left.
type answer struct {
	caddyhttp.ResponseWriterWrapper
	body     *body
	withheld bool
}

// statusClientGone is what Caddy answers a client that does not wait.
const statusClientGone = 499

func (a *answer) WriteHeader(status int) {
	if ended, _ := a.body.status(); status == statusClientGone && ended != 0 {
		a.withheld = true
		return
	}
	a.ResponseWriterWrapper.WriteHeader(status)
}

// isShared reports whether the connection of a request is not counted as the
// visitor's, or carries other requests, too.
func isShared(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted || r.ProtoMajor > 1
}

var errTooManySockets = errors.New("too many sockets from one network")

// socket is what a WebSocket holds: a request, and a connection if it is shared.
type socket struct {
	app          *App
	network      netip.Prefix
	shared, kept bool
	rest         func() // of the connection of QUIC that it is on
	once         sync.Once
}

func (s *socket) release() {
	s.once.Do(func() {
		s.app.requests.give(s.network)
		if s.shared {
			s.app.connections.give(s.network)
		}
		if s.kept {
			s.rest()
		}
	})
}

// done is called when the handler returns.
func (s *socket) done() {
	if !s.kept {
		s.release()
	}
}

// Keep makes a socket count after its handler has returned, until release is
// called.
func Keep(ctx context.Context) (release func()) {
	s, ok := caddyhttp.GetVar(ctx, socketVar).(*socket)
	if !ok {
		return func() {}
	}
	s.kept, s.rest = true, QUICOf(ctx).Busy()
	return s.release
}

// visitorOf returns the network that a request is counted by. Visitors whose address
// cannot be read are one network.
func visitorOf(r *http.Request) netip.Prefix {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	address, err := netip.ParseAddr(text)
	if err != nil {
		address = netip.IPv6Unspecified()
	}
	return networkOf(address)
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)

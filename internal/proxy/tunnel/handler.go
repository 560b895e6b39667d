package tunnel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"golang.org/x/net/http/httpguts"

	"github.com/tale-project/tale-runtime/internal/proxy/limits"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
)

// The defaults of a Handler.
const (
	defaultDialTimeout      = time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultTryDuration      = 2 * time.Second
	defaultCloseTimeout     = time.Second
)

// maxOpening is how many handshakes with upstreams are under way at once. All
// sockets come back when a backend does; it and the proxy have pages to serve, too.
const maxOpening = 32

func init() { caddy.RegisterModule(Handler{}) }

// Handler carries WebSockets of HTTP/1.1 and HTTP/3 clients to an upstream. It
// takes handshakes (GET with `Upgrade: websocket`; the extended CONNECT of HTTP/3)
// and passes everything else to the next handler, WebSockets over HTTP/2
// included; put a reverse proxy to the same upstream behind it.
//
// The handshake goes upstream with the forwarding headers that Caddy's reverse
// proxy sets, from the same trust. While no upstream can be reached it is tried
// again, as often as the upstream source has news, until `try_duration` is over.
// An upstream's answer other than 101 is passed to the client as it is.
//
// A socket that is open is not closed when its upstream leaves the source. When
// the configuration is unloaded, which happens when the proxy exits, every socket
// gets a close frame with status 1001 on both sides: those over HTTP/3 when the
// servers begin to shut down, which would wait for them, the others afterwards. A
// client whose upstream goes without a close frame gets such a one, too.
//
// The placeholders `{http.reverse_proxy.upstream.hostport}` and
// `{http.reverse_proxy.retries}` are set as by the reverse proxy. Metrics:
// `tale_proxy_tunnels_open`, `tale_proxy_tunnels_total`,
// `tale_proxy_tunnel_bytes_total` and `tale_proxy_tunnel_refusals_total`.
type Handler struct {
	// The module that knows the upstreams. Required.
	UpstreamsRaw json.RawMessage `json:"dynamic_upstreams,omitempty" caddy:"namespace=http.reverse_proxy.upstreams inline_key=source"`

	// Manipulates the headers of the request to the upstream; those of the
	// response are left alone.
	Headers *headers.Handler `json:"headers,omitempty"`

	// How long to wait for a connection to an upstream. Default: `1s`.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`

	// How long to wait for an upstream's answer to the handshake. Default: `10s`.
	HandshakeTimeout caddy.Duration `json:"handshake_timeout,omitempty"`

	// How long to try to reach an upstream. Default: `2s`.
	TryDuration caddy.Duration `json:"try_duration,omitempty"`

	// How long a side has to answer a close frame of the proxy. Default: `1s`.
	CloseTimeout caddy.Duration `json:"close_timeout,omitempty"`

	upstreams reverseproxy.UpstreamSource
	dialer    net.Dialer
	visitors  *limits.App
	opening   chan struct{} // holds one for each handshake with an upstream
	tunnels   *registry
	metrics   *metrics
	log       *slog.Logger
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_tunnel",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision loads the upstream source.
func (h *Handler) Provision(ctx caddy.Context) error {
	for field, value := range map[*caddy.Duration]time.Duration{
		&h.DialTimeout: defaultDialTimeout, &h.HandshakeTimeout: defaultHandshakeTimeout,
		&h.TryDuration: defaultTryDuration, &h.CloseTimeout: defaultCloseTimeout,
	} {
		if *field <= 0 {
			*field = caddy.Duration(value)
		}
	}
	if h.UpstreamsRaw == nil {
		return errors.New("cannot tunnel WebSockets: dynamic_upstreams is missing")
	}
	source, err := ctx.LoadModule(h, "UpstreamsRaw")
	if err != nil {
		return fmt.Errorf("cannot tunnel WebSockets: %w", err)
	}
	h.upstreams, _ = source.(reverseproxy.UpstreamSource) // the namespace has nothing else
	if h.Headers != nil {
		if err := h.Headers.Provision(ctx); err != nil {
			return fmt.Errorf("cannot tunnel WebSockets: %w", err)
		}
	}
	if h.metrics, err = newMetrics(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("cannot tunnel WebSockets: %w", err)
	}
	if h.visitors, err = limits.Of(ctx); err != nil {
		return fmt.Errorf("cannot tunnel WebSockets: %w", err)
	}
	h.dialer.Timeout = time.Duration(h.DialTimeout)
	h.opening = make(chan struct{}, maxOpening)
	h.tunnels = newRegistry()
	h.log = ctx.Slogger()
	return h.subscribe(ctx)
}

// subscribe makes Handle hear of the end before the servers do.
func (h *Handler) subscribe(ctx caddy.Context) error {
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("cannot tunnel WebSockets: %w", err)
	}
	if err := events.(*caddyevents.App).On("stopping", h); err != nil { // the name belongs to that app
		return fmt.Errorf("cannot tunnel WebSockets: %w", err)
	}
	return nil
}

// Handle lets the sockets over HTTP/3 end when the configuration is about to be
// unloaded. It does not wait for them: the server does.
func (h *Handler) Handle(context.Context, caddy.Event) error {
	if streams := h.tunnels.closeStreams(time.Duration(h.CloseTimeout)); streams > 0 {
		h.log.Info("websockets over HTTP/3 are closing", "sockets", streams)
	}
	return nil
}

// Cleanup ends every socket with a close frame, and returns when they are ended.
func (h *Handler) Cleanup() error {
	if h.tunnels == nil {
		return nil
	}
	began := time.Now()
	all, cut := h.tunnels.close(time.Duration(h.CloseTimeout))
	if all > 0 {
		h.log.Info("websockets closed", "sockets", all, "cut", cut, "took", time.Since(began))
	}
	return nil
}

// isHandshake tells the requests that the tunnel takes.
func isHandshake(r *http.Request) bool {
	return isStream(r) || r.ProtoMajor == 1 && r.Method == http.MethodGet && r.ContentLength == 0 && len(r.TransferEncoding) == 0 &&
		exchange.IsWebSocket(r) && httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade")
}

// ServeHTTP opens a tunnel and returns; the tunnel goes on by itself.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !isHandshake(r) {
		return next.ServeHTTP(w, r)
	}
	opened, err := h.open(r)
	if err != nil {
		h.metrics.refusals.Inc()
		return err
	}
	if !opened.accepted() {
		h.metrics.refusals.Inc()
		return relay(w, r, opened)
	}
	if err := opened.check(r.Header); err != nil {
		_ = opened.conn.Close()
		h.metrics.refusals.Inc()
		return caddyhttp.Error(http.StatusBadGateway, err)
	}
	return h.join(w, r, opened)
}

// join takes the client's side and ties it to the upstream's.
func (h *Handler) join(w http.ResponseWriter, r *http.Request, opened *handshake) error {
	if !h.tunnels.reserve() {
		_ = opened.conn.Close()
		return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("the proxy is going away"))
	}
	client, early, err := takeOver(w, r, opened.response.Header)
	if err != nil {
		h.tunnels.release()
		_ = opened.conn.Close()
		return caddyhttp.Error(http.StatusInternalServerError, fmt.Errorf("cannot take the client's connection over: %w", err))
	}
	t := newTunnel(client, opened.conn, h.log, h.ended)
	t.patience = time.Duration(h.CloseTimeout)
	uncount, leave := limits.Keep(r.Context()), upstreams.Keep(r)
	t.release = func() { uncount(); leave() }
	if err := t.prime(early, opened.early, time.Duration(h.HandshakeTimeout)); err != nil {
		h.tunnels.release()
		t.abort()
		t.release()
		return nil //nolint:nilerr // the answer is sent, and one side is gone
	}
	h.metrics.opened.Inc()
	h.metrics.open.Inc()
	h.tunnels.add(t)
	t.start()
	return nil
}

func (h *Handler) ended(t *tunnel) {
	h.tunnels.remove(t)
	t.release()
	h.metrics.open.Dec()
	h.metrics.bytes.WithLabelValues("up").Add(float64(t.up.bytes))
	h.metrics.bytes.WithLabelValues("down").Add(float64(t.down.bytes))
	h.log.Debug("websocket ended", "duration", time.Since(t.began), "up", t.up.bytes, "down", t.down.bytes)
}

// takeOver answers the handshake and takes the connection, or the stream, out of
// the server. Handlers in between see the status; their writers are left out,
// because a connection that is wrapped in one keeps it, and the request, for ever.
func takeOver(w http.ResponseWriter, r *http.Request, answer http.Header) (client side, early []byte, err error) {
	if isStream(r) {
		client, err = takeOverStream(w, answer)
		return client, nil, err
	}
	header := w.Header()
	dropHopByHop(answer)
	copyHeader(header, answer)
	header["Connection"] = []string{"Upgrade"}
	header["Upgrade"] = []string{"websocket"}
	spellSocketHeaders(header)
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffered, err := http.NewResponseController(innermost(w)).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if n := buffered.Reader.Buffered(); n > 0 {
		early, _ = buffered.Peek(n)
	}
	return conn, early, nil
}

// copyHeader leaves the server's name out, as Caddy's reverse proxy does.
func copyHeader(header, answer http.Header) {
	delete(header, "Server")
	for name, values := range answer {
		header[name] = values
	}
}

func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = outer.Unwrap()
	}
}

// relay passes on an answer that opens no socket.
func relay(w http.ResponseWriter, r *http.Request, refused *handshake) error {
	defer refused.conn.Close() //nolint:errcheck // nothing more comes
	answer := refused.response
	if isStream(r) && answer.StatusCode < 300 { // there, success opens a socket
		return caddyhttp.Error(http.StatusBadGateway, errNoSocket)
	}
	dropHopByHop(answer.Header)
	copyHeader(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil && !errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler) // the client must not take it for complete
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddyevents.Handler         = (*Handler)(nil)
)

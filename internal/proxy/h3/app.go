package h3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/tale-project/tale-runtime/internal/proxy/limits"
)

func init() { caddy.RegisterModule(new(App)) }

const (
	// packetSize is the size of the first packets; paths with less than that plus the
	// headers of IP and UDP are not on the internet.
	packetSize = 1200
	// streamWindow and connectionWindow are what a visitor may send before a handler
	// reads it, in bytes. They grow with the speed at which it is read.
	streamWindow     = 64 << 10
	connectionWindow = 128 << 10
)

var errRefused = errors.New("too many connections from one network")

// App serves over HTTP/3. It stops with the server whose routes it has.
type App struct {
	// Server is the name of the HTTP server whose routes and certificates it has.
	Server string `json:"server"`
	// Listen is the UDP address, such as `:443`.
	Listen string `json:"listen"`

	log      *slog.Logger
	routes   *caddyhttp.Server
	grace    time.Duration
	limits   *limits.App
	tls      *tls.Config
	socket   net.PacketConn
	listener *quic.EarlyListener
	server   *http3.Server
	once     sync.Once // for the end
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "tale_http3", New: func() caddy.Module { return new(App) }}
}

// Provision finds the server, and ties the app's end to its end.
func (a *App) Provision(ctx caddy.Context) error {
	module, err := ctx.App("http")
	if err != nil {
		return fmt.Errorf("cannot serve over HTTP/3: %w", err)
	}
	app := module.(*caddyhttp.App) // the name belongs to it
	if a.routes = app.Servers[a.Server]; a.routes == nil {
		return fmt.Errorf("cannot serve over HTTP/3: there is no server %q", a.Server)
	}
	if a.limits, err = limits.Of(ctx); err != nil {
		return err
	}
	a.log, a.grace = ctx.Slogger(), time.Duration(app.GracePeriod)
	a.tls = http3.ConfigureTLSConfig(a.routes.TLSConnPolicies.TLSConfig(ctx))
	a.routes.RegisterOnShutdown(a.end)
	a.routes.RegisterOnStop(func(context.Context) error { a.end(); return nil })
	return nil
}

// Start begins to serve.
func (a *App) Start() (err error) {
	if a.socket, err = net.ListenPacket("udp", a.Listen); err != nil { //nolint:noctx // Start has none
		return fmt.Errorf("cannot serve over HTTP/3: %w", err)
	}
	transport := &quic.Transport{Conn: a.socket, ConnContext: a.count, VerifySourceAddress: a.limits.Crowded}
	a.listener, err = transport.ListenEarly(a.tls, &quic.Config{
		InitialPacketSize: packetSize, InitialStreamReceiveWindow: streamWindow, InitialConnectionReceiveWindow: connectionWindow,
	})
	if err != nil {
		return fmt.Errorf("cannot serve over HTTP/3: %w", err)
	}
	a.server = &http3.Server{
		Handler: a, ConnContext: accepted,
		MaxHeaderBytes: a.routes.MaxHeaderBytes, IdleTimeout: time.Duration(a.routes.IdleTimeout),
	}
	go a.serve()
	return nil
}

func (a *App) serve() {
	if err := a.server.ServeListener(a.listener); !errors.Is(err, http.ErrServerClosed) {
		a.log.Error("no longer serving over HTTP/3", "error", err)
	}
}

// Stop does nothing: the end came with that of the server. Caddy stops its apps one
// after the other, and each would get a grace period of its own.
func (*App) Stop() error { return nil }

// end takes no more connections, and ends those that there are when their requests
// are answered or the grace period is over. Every call waits for that.
func (a *App) end() { a.once.Do(a.drain) }

func (a *App) drain() {
	if a.server == nil {
		return // it has not started
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.grace)
	defer cancel()
	_ = a.listener.Close()
	if a.server.Shutdown(ctx) != nil {
		_ = a.server.Close()
	}
	_ = a.socket.Close()
}

// count refuses a connection that is one too many, and counts the others until
// they have ended.
func (a *App) count(ctx context.Context, visitor *quic.ClientInfo) (context.Context, error) {
	conn := a.limits.TakeQUIC(visitor.RemoteAddr)
	if conn == nil {
		return nil, errRefused
	}
	context.AfterFunc(ctx, conn.Gone)
	if visitor.AddrVerified { // it has sent back what was sent to its address
		conn.Proven()
	}
	return conn.In(ctx), nil
}

// accepted must be called when the server has answered the first packet; the visitor has
// not yet.
func accepted(ctx context.Context, c *quic.Conn) context.Context {
	counted := limits.QUICOf(ctx)
	counted.Accepted(func() { _ = c.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") })
	go func() {
		select {
		case <-c.HandshakeComplete():
			counted.Proven()
		case <-c.Context().Done():
		}
	}()
	return ctx
}

// ServeHTTP answers a request as the server does.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer limits.QUICOf(r.Context()).Busy()()
	a.routes.ServeHTTP(w, r)
}

var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
)

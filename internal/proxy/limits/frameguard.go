package limits

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// frameGuard puts itself between TLS and HTTP/2. Go's server hands connections that
// have negotiated HTTP/2 over to a function; this one is put in its place.
type frameGuard struct {
	app  *App
	once sync.Once
}

// install must be called for every connection before it is served, since there is no
// earlier hook that is given the server.
func (g *frameGuard) install(ctx context.Context, c net.Conn) context.Context {
	g.once.Do(func() {
		server, ok := ctx.Value(http.ServerContextKey).(*http.Server)
		if !ok || server.TLSNextProto[http2.NextProtoTLS] == nil {
			return // HTTP/1 only
		}
		own := new(http2.Server)                                   //nolint:staticcheck // see below
		if err := http2.ConfigureServer(server, own); err != nil { //nolint:staticcheck // as Caddy does; http.Server lets nothing in between
			g.app.refusals.log.Error("HTTP/2 is served without a limit of frames", "error", err)
			return
		}
		server.TLSNextProto[http2.NextProtoTLS] = func(server *http.Server, c *tls.Conn, h http.Handler) {
			own.ServeConn(newFrameConn(c, g.app), &http2.ServeConnOpts{Context: baseContext(h), BaseConfig: server, Handler: h}) //nolint:staticcheck // see above
		}
	})
	return context.WithValue(ctx, connKey{}, connOf(c))
}

// baseContext returns that of the connection, which net/http hands over with the handler.
func baseContext(h http.Handler) context.Context {
	if with, ok := h.(interface{ BaseContext() context.Context }); ok {
		return with.BaseContext()
	}
	return context.Background()
}

// frameConn is a connection that speaks HTTP/2.
type frameConn struct {
	*tls.Conn
	app    *App
	frames frames
	budget budget
	sent   atomic.Int64 // bytes since they were last earned by
	err    error
}

func newFrameConn(c *tls.Conn, app *App) *frameConn {
	return &frameConn{Conn: c, app: app, frames: newFrames(), budget: newBudget(time.Now())}
}

// Read returns what the client has sent, until that has become too many frames: the
// server then says so and ends the connection.
func (c *frameConn) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(p)
	if c.frames.follow(p[:n], c.pay) {
		return n, err
	}
	c.err = http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	if own := connOf(c.Conn); own != nil {
		c.app.refuse(own.network, tooManyFrames)
	}
	return 0, c.err
}

func (c *frameConn) pay(kind http2.FrameType, length int64) bool {
	return c.budget.spend(kind, length, func() int64 { return c.budget.earned(time.Now(), c.sent.Swap(0)) })
}

func (c *frameConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

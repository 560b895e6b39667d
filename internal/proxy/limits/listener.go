package limits

import (
	"errors"
	"fmt"
	"net"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(new(Listener)) }

// Listener counts connections, and closes those that are too many at once. It
// belongs below TLS: before the wrapper "tls" in Caddy's list.
type Listener struct {
	app   *App
	plain bool // no TLS is expected
}

// CaddyModule returns the Caddy module information.
func (*Listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.tale_limits",
		New: func() caddy.Module { return new(Listener) },
	}
}

// Provision makes the server tell which connections are idle.
func (l *Listener) Provision(ctx caddy.Context) error {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return errors.New("cannot count connections outside of an HTTP server")
	}
	var err error
	if l.app, err = Of(ctx); err != nil {
		return fmt.Errorf("cannot count connections: %w", err)
	}
	l.plain = len(server.TLSConnPolicies) == 0
	server.RegisterConnState(changed)
	server.RegisterConnContext((&frameGuard{app: l.app}).install)
	return nil
}

// WrapListener counts what is accepted.
func (l *Listener) WrapListener(inner net.Listener) net.Listener {
	return &listener{inner, l.app, l.plain}
}

type listener struct {
	net.Listener
	app   *App
	plain bool
}

// Accept returns the next connection that is not refused.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		network := l.app.networkOf(addressOf(accepted.RemoteAddr()))
		if l.app.admit(network) {
			counted := newConn(accepted, l.app, network)
			counted.plain = l.plain
			return counted, nil
		}
		_ = accepted.Close() // nothing was promised
	}
}

var (
	_ caddy.ListenerWrapper = (*Listener)(nil)
	_ caddy.Provisioner     = (*Listener)(nil)
)

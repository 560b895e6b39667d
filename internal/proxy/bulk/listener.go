package bulk

import (
	"net"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(Listener{}) }

// Listener makes connections that can collect what is written to them. It
// belongs below TLS: before the wrapper "tls" in Caddy's list.
type Listener struct{}

// CaddyModule returns the Caddy module information.
func (Listener) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.tale_bulk",
		New: func() caddy.Module { return new(Listener) },
	}
}

// WrapListener wraps every connection that is accepted.
func (*Listener) WrapListener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: accepted}, nil
}

var _ caddy.ListenerWrapper = (*Listener)(nil)

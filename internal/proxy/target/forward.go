package target

import (
	"errors"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Forward{}) }

// Forward prepares a request for its upstream. The path is the one that Handler
// made, changed on its encoded form, so that an upstream sees %2F where the client
// sent it; Caddy's rewrite handler decodes it when it puts something in front.
//
// An Upgrade header is removed unless the route takes WebSockets: Caddy's
// reverse proxy would otherwise open a tunnel for any protocol name on any
// route. For the same reason an extended CONNECT, which asks for a tunnel by
// itself, is answered 405 outside of those routes.
type Forward struct {
	// Prefix that is removed from the path. Default: none.
	Strip string `json:"strip,omitempty"`
	// Prefix that is put before the path, after Strip. Default: none.
	Prefix string `json:"prefix,omitempty"`
	// Path that replaces the request's; the query stays. Default: none.
	Path string `json:"path,omitempty"`
	// Socket means that WebSockets may be opened on the route. Default: false.
	Socket bool `json:"socket,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Forward) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_forward",
		New: func() caddy.Module { return new(Forward) },
	}
}

// ServeHTTP changes the request and passes it on.
func (f *Forward) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if err := f.checkUpgrade(r); err != nil {
		return err
	}
	raw := rawPath(r.URL)
	if f.Strip != "" {
		var err error
		if raw, err = stripped(raw, f.Strip); err != nil {
			return err
		}
	}
	if f.Path != "" {
		raw = f.Path
	}
	if f.Strip+f.Path+f.Prefix != "" {
		setPath(r, f.Prefix+raw)
	}
	return next.ServeHTTP(w, r)
}

func (f *Forward) checkUpgrade(r *http.Request) error {
	if f.Socket && (exchange.IsWebSocket(r) || r.Header.Get("Upgrade") == "" && r.Method != http.MethodConnect) {
		return nil
	}
	if r.Method == http.MethodConnect {
		return caddyhttp.Error(http.StatusMethodNotAllowed, nil)
	}
	r.Header.Del("Upgrade")
	return nil
}

// stripped returns a path, in the form that Handler gives it, without a prefix. What is
// left has no empty segments: one at the beginning would begin the name of a host.
func stripped(raw, prefix string) (string, error) {
	raw = mergeSlashes(raw)
	if len(raw) < len(prefix) || !strings.EqualFold(raw[:len(prefix)], prefix) || raw[len(prefix):] != "" && raw[len(prefix)] != '/' {
		return "", caddyhttp.Error(http.StatusBadRequest, errors.New("the path matches a prefix that it does not have"))
	}
	return "/" + strings.TrimPrefix(raw[len(prefix):], "/"), nil
}

var _ caddyhttp.MiddlewareHandler = (*Forward)(nil)

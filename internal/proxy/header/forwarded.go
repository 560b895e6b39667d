package header

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/exchange"
	"github.com/tale-project/tale-runtime/internal/proxy/target"
	"github.com/tale-project/tale-runtime/internal/proxy/visitor"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Forwarded{}) }

// Forwarded removes what a client says about itself in headers that only a
// proxy may set, and finds out the scheme the visitor used.
//
// Caddy's reverse proxy takes care of X-Forwarded-For, -Proto and -Host in their
// usual spelling. Others are passed on by it as they came, and applications
// believe them; they are kept only from a trusted peer. Trailers, which some servers
// make headers of and Bun the next request, and headers that make a server read another
// path, are kept from no peer.
type Forwarded struct {
	// Scheme is assumed when a trusted peer does not send X-Forwarded-Proto,
	// which operators of TLS terminators forget. Default: that of the
	// connection.
	Scheme string `json:"scheme,omitempty"`
	// Names are those of the site. A trusted peer that passes one on as the host is
	// not believed X-Forwarded-Host if that names another: some terminators leave what a
	// visitor sends there. Default: it is believed.
	Names []string `json:"names,omitempty"`
	// Drop names more request headers to remove, from any peer. Default: none.
	Drop []string `json:"drop,omitempty"`
	// Claims names more request headers that only a trusted peer may send.
	// Default: none but the usual ones.
	Claims []string `json:"claims,omitempty"`

	claims  claims
	log     *slog.Logger
	ignored *visitor.Notice
}

// CaddyModule returns the Caddy module information.
func (Forwarded) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_forwarded",
		New: func() caddy.Module { return new(Forwarded) },
	}
}

// Provision prepares the names of headers.
func (f *Forwarded) Provision(ctx caddy.Context) error {
	f.claims, f.log, f.ignored = newClaims(f.Claims), ctx.Slogger(), new(visitor.Notice)
	return nil
}

// ServeHTTP changes the request's headers and passes it on.
func (f *Forwarded) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	caddyhttp.SetVar(r.Context(), exchange.ProtoVar, f.proto(r, trusted))
	f.claims.remove(r.Header, trusted)
	f.checkHost(r)
	r.Trailer = nil
	for _, name := range f.Drop {
		r.Header.Del(name)
	}
	return next.ServeHTTP(w, r)
}

const forwardedHost = "X-Forwarded-Host"

// checkHost removes a host that is not to be believed, and tells of it: it may be the right one,
// of a gateway that has domains of its own and asks for all of them by the site's name.
func (f *Forwarded) checkHost(r *http.Request) {
	said := r.Header[forwardedHost]
	if len(said) == 0 || !f.isName(r.Host) || f.isName(said[len(said)-1]) {
		return
	}
	delete(r.Header, forwardedHost) // the reverse proxy says the host
	if peer, ok := visitor.ParseAddress(r.RemoteAddr); ok {
		f.ignored.Tell(f.log, peer, "X-Forwarded-Host ignored: it names another site than Host",
			"value", config.Excerpt(said[len(said)-1], 100), "host", r.Host, "proxy", peer,
			"fix", "nothing if a visitor sent it; else let the gateway send that name as Host, which takes TLS_MODE=external")
	}
}

// isName reports whether a host, perhaps with a port, is one of the site's and nothing else.
func (f *Forwarded) isName(host string) bool {
	name, ok := target.HostName(host)
	return ok && slices.ContainsFunc(f.Names, func(known string) bool { return strings.EqualFold(known, name) })
}

func (f *Forwarded) proto(r *http.Request, trusted bool) string {
	switch said := r.Header.Get("X-Forwarded-Proto"); {
	case r.TLS != nil:
		return "https"
	case trusted && (said == "https" || said == "http"):
		return said
	case trusted && f.Scheme != "":
		return f.Scheme
	}
	return "http"
}

var (
	_ caddy.Provisioner           = (*Forwarded)(nil)
	_ caddyhttp.MiddlewareHandler = (*Forwarded)(nil)
)

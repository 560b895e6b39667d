package edge

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Forwarded{}) }

// ProtoVar is the request variable with the scheme the visitor used, for
// X-Forwarded-Proto.
const ProtoVar = "tale_proto"

// Forwarded removes what a client says about itself in headers that only a
// proxy may set, and finds out the scheme the visitor used.
//
// Caddy's reverse proxy takes care of X-Forwarded-For, -Proto and -Host. The
// other spellings in use are passed on by it as they came, and applications
// believe them; they are kept only from a trusted peer.
//
// A request whose query cannot be written into a line of HTTP/1.1 is answered
// 400: HTTP/2 and HTTP/3 deliver spaces as they are, and Caddy's reverse proxy
// would send them on in the middle of the request line.
type Forwarded struct {
	// Scheme is assumed when a trusted peer does not send X-Forwarded-Proto,
	// which operators of TLS terminators forget. Default: that of the
	// connection.
	Scheme string `json:"scheme,omitempty"`
	// Drop names more request headers to remove, whoever sends them. Default: none.
	Drop []string `json:"drop,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Forwarded) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_forwarded",
		New: func() caddy.Module { return new(Forwarded) },
	}
}

// ServeHTTP changes the request's headers and passes it on.
func (f *Forwarded) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if strings.Contains(r.URL.RawQuery, " ") {
		return caddyhttp.Error(http.StatusBadRequest, errors.New("there is a space in the query"))
	}
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	caddyhttp.SetVar(r.Context(), ProtoVar, f.proto(r, trusted))
	if !trusted {
		for _, name := range unstandardized {
			delete(r.Header, name)
		}
	}
	delete(r.Header, "X-Forwarded-Prefix")
	for _, name := range f.Drop {
		r.Header.Del(name)
	}
	return next.ServeHTTP(w, r)
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

// unstandardized are headers, in canonical form, by which one proxy or another
// tells the application where a request comes from.
var unstandardized = []string{
	"Forwarded", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Fastly-Client-Ip",
	"X-Forwarded", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-Protocol",
	"X-Url-Scheme", "Front-End-Https", "X-Original-Url", "X-Rewrite-Url", "X-Original-Host",
}

var _ caddyhttp.MiddlewareHandler = (*Forwarded)(nil)

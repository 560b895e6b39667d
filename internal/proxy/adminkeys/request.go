package adminkeys

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Request{}) }

// adminScheme and adminParameter are the ways in which the backend takes an
// admin key (convex-backend, crates/local_backend/src/authentication.rs): the
// scheme in any letter case; the query parameter where there is no Authorization
// header.
const (
	adminScheme    = "convex "
	adminParameter = "adminKey"
)

// Request matches requests in which the Convex backend would find an admin
// key. Whether the key is right is not looked at. The parameter counts beside an
// Authorization header, too: a client can have that header removed on the way, by
// naming it in Connection.
type Request struct{}

// CaddyModule returns the Caddy module information.
func (Request) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.tale_admin_request",
		New: func() caddy.Module { return new(Request) },
	}
}

// Match reports whether the request carries an admin key.
func (Request) Match(r *http.Request) bool {
	for _, value := range r.Header["Authorization"] {
		if len(value) >= len(adminScheme) && strings.EqualFold(value[:len(adminScheme)], adminScheme) {
			return true
		}
	}
	for parameter := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, _, _ := strings.Cut(parameter, "=")
		if decoded, err := url.QueryUnescape(name); err == nil && decoded == adminParameter {
			return true
		}
	}
	return false
}

// MatchWithError returns Match; the error is always nil.
func (m Request) MatchWithError(r *http.Request) (bool, error) { return m.Match(r), nil }

var _ caddyhttp.RequestMatcherWithError = Request{}

package visitor

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Matcher{}) }

// Matcher matches requests of visitors in some networks. Caddy's `client_ip`
// matcher takes no IPv4 networks in the form of IPv6, and logs an error for each
// request of which the visitor is not known.
type Matcher struct {
	// The networks. Default: none, which matches nothing.
	Networks []string `json:"networks,omitempty"`

	networks networks
}

// CaddyModule returns the Caddy module information.
func (Matcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.tale_visitor",
		New: func() caddy.Module { return new(Matcher) },
	}
}

// Provision reads the networks.
func (m *Matcher) Provision(caddy.Context) (err error) {
	m.networks, err = parseNetworks(m.Networks)
	return err
}

// MatchWithError reports whether the visitor is in one of the networks.
func (m *Matcher) MatchWithError(r *http.Request) (bool, error) {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	address, ok := ParseAddress(text)
	return ok && m.networks.contain(address), nil
}

var (
	_ caddy.Provisioner                 = (*Matcher)(nil)
	_ caddyhttp.RequestMatcherWithError = (*Matcher)(nil)
)

package metricsgate

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Bearer{}) }

// Bearer matches requests that carry a secret token as
//
//	Authorization: Bearer <token>
//
// in exactly one Authorization header. The scheme may be in any letter case; the
// token is compared byte by byte as it is, in constant time, without wildcards
// or placeholders.
type Bearer struct {
	// The name of the token, as the process has it. Required. The
	// token itself is never part of the configuration.
	Name string `json:"name,omitempty"`

	want digest
}

// CaddyModule returns the Caddy module information.
func (Bearer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.tale_bearer",
		New: func() caddy.Module { return new(Bearer) },
	}
}

// Provision finds the token.
func (b *Bearer) Provision(ctx caddy.Context) error {
	if b.Name == "" {
		return errors.New("cannot match a bearer token: its name is missing")
	}
	process, err := host.Of(ctx)
	if err != nil {
		return err
	}
	token, ok := process.Tokens[b.Name]
	if !ok {
		return fmt.Errorf("cannot match bearer token %q: the program was not given a token of that name", b.Name)
	}
	b.want = digestOf([]byte(token.Reveal()))
	return nil
}

// UnmarshalCaddyfile deserializes Caddyfile tokens into b.
//
//	@name tale_bearer <name>
func (b *Bearer) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the matcher's name
	if !d.AllArgs(&b.Name) {
		return d.ArgErr()
	}
	return nil
}

// Match reports whether the request carries the token.
func (b *Bearer) Match(r *http.Request) bool {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "bearer") {
		return false
	}
	return digestOf([]byte(strings.TrimLeft(token, " "))).equal(b.want)
}

// MatchWithError returns Match; the error is always nil.
func (b *Bearer) MatchWithError(r *http.Request) (bool, error) { return b.Match(r), nil }

// Interface guards
var (
	_ caddy.Provisioner                 = (*Bearer)(nil)
	_ caddyfile.Unmarshaler             = (*Bearer)(nil)
	_ caddyhttp.RequestMatcherWithError = (*Bearer)(nil)
)

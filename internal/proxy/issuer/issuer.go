package issuer

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"slices"

	"github.com/mholt/acmez/v3/acme"

	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

func init() { caddy.RegisterModule(Issuer{}) }

// Issuer is Caddy's ACME issuer, with all of its settings, that goes on trying
// until there is a certificate. The external account binding is not part of the
// settings: the process has it.
type Issuer struct {
	caddytls.ACMEIssuer

	// Private tells that the authority is the operator's own and has no limits on
	// failed attempts. Default: false.
	Private bool `json:"private,omitempty"`

	log      *slog.Logger
	underway *underway
}

// CaddyModule returns the Caddy module information.
func (Issuer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "tls.issuance.tale_acme",
		New: func() caddy.Module { return new(Issuer) },
	}
}

// Provision sets up the ACME client.
func (i *Issuer) Provision(ctx caddy.Context) error {
	i.log = ctx.Slogger()
	i.underway = &underway{names: map[string]Progress{}}
	process, err := host.Of(ctx)
	if err != nil {
		return err
	}
	if process.ACMEKeyID != "" {
		i.ExternalAccount = &acme.EAB{KeyID: process.ACMEKeyID, MACKey: process.ACMEKey.Reveal()}
	}
	return i.ACMEIssuer.Provision(ctx)
}

// Issue returns a certificate, however long it takes. It fails only when ctx
// ends.
func (i *Issuer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	names := slices.Clone(csr.DNSNames)
	for _, address := range csr.IPAddresses {
		names = append(names, address.String())
	}
	i.underway.set(names, Progress{})
	defer i.underway.end(names)
	w := waiter{
		log:     i.log.With("name", names),
		from:    i.CA,
		names:   csr.DNSNames,
		inUse:   inUse,
		pause:   i.pause(),
		resolve: net.DefaultResolver.LookupHost,
		quiet:   quietFor,
		note:    func(p Progress) { i.underway.set(names, p) },
		issue: func(ctx context.Context) (*certmagic.IssuedCertificate, error) {
			return i.ACMEIssuer.Issue(ctx, csr)
		},
	}
	return w.run(ctx)
}

// pause returns the usual time between two attempts. Let's Encrypt allows five failed
// validations of a name in an hour, and 200 at its staging directory, where the
// client makes every attempt but the first until one succeeds there. Of other
// public authorities nothing is known.
func (i *Issuer) pause() pauses {
	if i.Private || i.CA == certmagic.LetsEncryptProductionCA {
		return pauses{usual: eager}
	}
	return pauses{usual: careful}
}

var (
	_ certmagic.Issuer      = (*Issuer)(nil)
	_ certmagic.PreChecker  = (*Issuer)(nil)
	_ certmagic.Revoker     = (*Issuer)(nil)
	_ caddy.Provisioner     = (*Issuer)(nil)
	_ caddytls.ConfigSetter = (*Issuer)(nil)
)

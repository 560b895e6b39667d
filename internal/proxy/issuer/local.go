package issuer

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/certmagic"
	"github.com/smallstep/certificates/authority/provisioner"
)

func init() { caddy.RegisterModule(Local{}) }

const (
	// localLifetime is that of Caddy's own internal issuer.
	localLifetime = 12 * time.Hour
	// behind is how far a visitor's clock may be behind ours.
	behind = time.Hour
)

// Local issues certificates of Caddy's local authority, as Caddy's internal
// issuer does, that are valid from before they were made. Theirs are valid from
// that second on: with every renewal, three times a day, visitors whose clocks are
// behind would be told that the site is not safe.
type Local struct {
	ca *caddypki.CA
}

// CaddyModule returns the Caddy module information.
func (Local) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "tls.issuance.tale_local",
		New: func() caddy.Module { return new(Local) },
	}
}

// Provision finds the authority.
func (l *Local) Provision(ctx caddy.Context) error {
	app, err := ctx.App("pki")
	if err != nil {
		return err
	}
	l.ca, err = app.(*caddypki.PKI).GetCA(ctx, caddypki.DefaultCAID)
	return err
}

// IssuerKey returns where the certificates are kept: with those of Caddy's own issuer.
func (l *Local) IssuerKey() string { return l.ca.ID }

// Issue signs with the authority's current intermediate certificate.
func (l *Local) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	authority, err := l.ca.NewAuthority(caddypki.AuthorityConfig{})
	if err != nil {
		return nil, fmt.Errorf("cannot use the local authority: %w", err)
	}
	chain, err := authority.SignWithContext(ctx, csr, provisioner.SignOptions{}, validity{within: l.ca.IntermediateCertificateChain()[0]})
	if err != nil {
		return nil, fmt.Errorf("cannot sign with the local authority: %w", err)
	}
	var text bytes.Buffer
	for _, certificate := range chain {
		if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}); err != nil {
			return nil, err
		}
	}
	return &certmagic.IssuedCertificate{Certificate: text.Bytes()}, nil
}

// validity keeps a certificate's dates within those of who signs it.
type validity struct{ within *x509.Certificate }

// Modify implements provisioner.CertificateModifier.
func (v validity) Modify(certificate *x509.Certificate, _ provisioner.SignOptions) error {
	now := time.Now()
	certificate.NotBefore, certificate.NotAfter = now.Add(-behind), now.Add(localLifetime)
	if certificate.NotBefore.Before(v.within.NotBefore) {
		certificate.NotBefore = v.within.NotBefore
	}
	if certificate.NotAfter.After(v.within.NotAfter) {
		certificate.NotAfter = v.within.NotAfter
	}
	return nil
}

var (
	_ certmagic.Issuer  = (*Local)(nil)
	_ caddy.Provisioner = (*Local)(nil)
)

package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/certmagic"
	"github.com/smallstep/certificates/authority/provisioner"

	_ "github.com/caddyserver/caddy/v2/modules/filestorage" // where the authority is kept
)

// newLocal returns the issuer with an authority of its own.
func newLocal(t *testing.T) *Local {
	t.Helper()
	install := false
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	authority := &caddypki.CA{
		InstallTrust: &install,
		StorageRaw:   caddyconfig.JSONModuleObject(map[string]string{"root": t.TempDir()}, "module", "file_system", nil),
	}
	if err := authority.Provision(ctx, caddypki.DefaultCAID, caddy.Log()); err != nil {
		t.Fatal(err)
	}
	return &Local{ca: authority}
}

func request(t *testing.T, name string) *x509.CertificateRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func certificates(t *testing.T, issued *certmagic.IssuedCertificate) (chain []*x509.Certificate) {
	t.Helper()
	for block, rest := pem.Decode(issued.Certificate); block != nil; block, rest = pem.Decode(rest) {
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, one)
	}
	return chain
}

func TestLocalCertificatesAreTrusted(t *testing.T) {
	l := newLocal(t)
	issued, err := l.Issue(t.Context(), request(t, "site.test"))
	if err != nil {
		t.Fatal(err)
	}
	chain := certificates(t, issued)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(l.ca.RootCertificate())
	for _, one := range chain[1:] {
		between.AddCert(one)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{DNSName: "site.test", Roots: roots, Intermediates: between})
	if err != nil || len(chain) != 2 {
		t.Errorf("a chain of %d: %v", len(chain), err)
	}
	if left := time.Until(chain[0].NotAfter); left < localLifetime-time.Minute || left > localLifetime {
		t.Errorf("valid for %s", left)
	}
	if l.IssuerKey() != "local" {
		t.Errorf("kept as %s: certificates of Caddy's own issuer would not be found", l.IssuerKey())
	}
}

func TestValidityBeginsEarlierWithinTheIssuers(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct{ since, until, before, after time.Duration }{
		"usual":            {-24 * time.Hour, 144 * time.Hour, -behind, localLifetime},
		"a new authority":  {-time.Minute, 168 * time.Hour, -time.Minute, localLifetime},
		"one about to end": {-167 * time.Hour, time.Hour, -behind, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			var got x509.Certificate
			within := &x509.Certificate{NotBefore: now.Add(tt.since), NotAfter: now.Add(tt.until)}
			if err := (validity{within: within}).Modify(&got, provisioner.SignOptions{}); err != nil {
				t.Fatal(err)
			}
			if d := got.NotBefore.Sub(now.Add(tt.before)); d.Abs() > time.Minute {
				t.Errorf("it begins %s off", d)
			}
			if d := got.NotAfter.Sub(now.Add(tt.after)); d.Abs() > time.Minute {
				t.Errorf("it ends %s off", d)
			}
		})
	}
}

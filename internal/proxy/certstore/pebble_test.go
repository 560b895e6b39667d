package certstore

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"
)

var cuts = flag.Int("cuts", 3, "at how many lengths each file is cut, for an ACME authority to mend it (0: at all)")

// authority is Let's Encrypt's own test authority, Pebble, which believes whoever asks.
type authority struct {
	directory string
	server    *x509.CertPool // of its server
	roots     *x509.CertPool // of what it issues
}

func startPebble(t *testing.T) *authority {
	t.Helper()
	for variable, value := range map[string]string{"PEBBLE_VA_ALWAYS_VALID": "1", "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"} {
		t.Setenv(variable, value)
	}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuing := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 7776000}})
	front := wfe.New(quiet, store, va.New(quiet, 0, 0, false, "", store), issuing, []string{"pebble.test"}, false, false, 0, 0)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	a := &authority{directory: server.URL + wfe.DirectoryPath, server: x509.NewCertPool(), roots: x509.NewCertPool()}
	a.server.AddCert(server.Certificate())
	a.roots.AddCert(issuing.GetRootCert(0).Cert)
	return a
}

// told is a solver of challenges that nobody looks at.
type told struct{}

func (told) Present(context.Context, acme.Challenge) error { return nil }
func (told) CleanUp(context.Context, acme.Challenge) error { return nil }

// certify gets a certificate for the store as Caddy does after a start, and checks
// that it is the authority's.
func (a *authority) certify(t *testing.T, root string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // for a busy machine
	defer cancel()
	var config *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil }, Logger: zap.NewNop()})
	defer cache.Stop()
	config = certmagic.New(cache, certmagic.Config{Storage: &certmagic.FileStorage{Path: root}, Logger: zap.NewNop(), DisableARI: true, OCSP: certmagic.OCSPConfig{DisableStapling: true}})
	config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(config, certmagic.ACMEIssuer{
		CA: a.directory, Email: "tls@site.test", Agreed: true, TrustedRoots: a.server, DNS01Solver: told{}, Logger: zap.NewNop(),
	})}
	if err := config.ManageSync(ctx, []string{publicName}); err != nil {
		t.Errorf("no certificate: %v", err)
		return
	}
	got, err := config.GetCertificateWithContext(ctx, &tls.ClientHelloInfo{ServerName: publicName})
	if err == nil {
		between := x509.NewCertPool()
		for _, raw := range got.Certificate[1:] {
			one, err := x509.ParseCertificate(raw)
			if err != nil {
				t.Error(err)
				continue
			}
			between.AddCert(one)
		}
		_, err = got.Leaf.Verify(x509.VerifyOptions{DNSName: publicName, Roots: a.roots, Intermediates: between})
	}
	if err != nil {
		t.Errorf("another certificate: %v", err)
	}
}

// torn is a file of a store as a power cut may leave it.
type torn struct {
	name    string
	content []byte
}

// tears returns each file cut, and filled with zeros from there; a chain in any case
// between its certificates.
func tears(files map[string][]byte) (all []torn) {
	for name, content := range files {
		step := 1
		if *cuts > 0 {
			step = max(1, len(content) / *cuts)
		}
		if first, _, found := bytes.Cut(content, []byte("\n-----END CERTIFICATE-----\n")); found {
			all = append(all, torn{name, content[:len(first)+len("\n-----END CERTIFICATE-----\n")]})
		}
		for length := 0; length < len(content); length += step {
			cut := content[:length:length]
			all = append(all, torn{name, cut}, torn{name, append(cut, make([]byte, len(content)-length)...)})
		}
	}
	return all
}

// Whatever is torn of what an ACME authority gave, after a start there is a certificate
// of that authority: the one that is whole, or another.
func TestAnAuthorityMendsTornFiles(t *testing.T) {
	events, window := certmagic.RateLimitEvents, certmagic.RateLimitEventsWindow
	certmagic.RateLimitEvents, certmagic.RateLimitEventsWindow = 0, 0
	t.Cleanup(func() { certmagic.RateLimitEvents, certmagic.RateLimitEventsWindow = events, window })
	a := startPebble(t)
	first := &aStore{T: t, Store: Store{Root: memory(t), Public: []string{publicName}}}
	a.certify(t, first.Root)
	if err := os.RemoveAll(first.path("locks")); err != nil {
		t.Fatal(err)
	}
	first.contents = first.files()
	if len(first.contents) != 5 {
		t.Fatalf("the store has %q", first.names())
	}
	work := make(chan torn)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			s := &aStore{T: t, Store: Store{Root: memory(t), Public: []string{publicName}}, contents: first.contents}
			for one := range work {
				a.mend(s, one)
			}
		})
	}
	all := tears(first.contents)
	for _, one := range all {
		work <- one
	}
	close(work)
	workers.Wait()
	t.Logf("%d torn stores", len(all))
}

func (a *authority) mend(s *aStore, one torn) {
	s.Helper()
	if err := os.RemoveAll(s.Root); err != nil {
		s.Error(err)
		return
	}
	for name, content := range s.contents {
		if strings.HasPrefix(name, "certificates/") && strings.HasPrefix(one.name, "acme/") {
			continue // or the account is not looked at
		}
		s.write(name, content)
	}
	s.write(one.name, one.content)
	var said bytes.Buffer
	if err := s.Heal(s.Context(), slog.New(slog.NewTextHandler(&said, nil)), time.Now()); err != nil {
		s.Errorf("%s with %d bytes: %v", one.name, len(one.content), err)
	}
	a.certify(s.T, s.Root)
	if s.Failed() {
		s.Logf("%s, %d bytes that end with %q: %s", one.name, len(one.content), one.content[max(0, len(one.content)-10):], &said)
	}
}

package certstore

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage" // where the authority is kept
	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"github.com/smallstep/certificates/authority/provisioner"
	"go.uber.org/zap"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
)

const (
	localName  = "alias.test"
	publicName = "site.test"
	acmeKey    = "acme.test-directory"
)

// aStore is a store as a proxy leaves it.
type aStore struct {
	*testing.T
	Store
	ca       *caddypki.CA
	magic    map[string]*certmagic.Config // by the issuer's key
	contents map[string][]byte            // of the files, by their path in the store
}

func newStore(t *testing.T) *aStore {
	t.Helper()
	s := &aStore{T: t, Store: Store{Root: memory(t), Local: []string{localName}, Public: []string{publicName}}}
	s.ca = s.authority()
	s.magic = map[string]*certmagic.Config{}
	for key, name := range map[string]string{caddypki.DefaultCAID: localName, acmeKey: publicName} {
		s.magic[key] = s.manager(key)
		if err := s.magic[key].ObtainCertSync(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	s.register()
	if err := os.RemoveAll(filepath.Join(s.Root, "locks")); err != nil {
		t.Fatal(err)
	}
	s.contents = s.files()
	for name := range s.contents {
		if err := s.age(name); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// memory returns a folder in memory where there is one: thousands of stores are made
// here, and Caddy waits for the disk with each file.
func memory(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "certstore-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// authority returns Caddy's own, which reads the store or fills it.
func (s *aStore) authority() *caddypki.CA {
	s.Helper()
	ca, err := s.tryAuthority()
	if err != nil {
		s.Fatal(err)
	}
	return ca
}

func (s *aStore) tryAuthority() (*caddypki.CA, error) {
	install := false
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	ca := &caddypki.CA{InstallTrust: &install, StorageRaw: caddyconfig.JSONModuleObject(map[string]string{"root": s.Root}, "module", "file_system", nil)}
	return ca, ca.Provision(ctx, caddypki.DefaultCAID, zap.NewNop())
}

// manager manages certificates of one issuer in the store, as Caddy does.
func (s *aStore) manager(issuerKey string) *certmagic.Config {
	var config *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil }, Logger: zap.NewNop()})
	s.Cleanup(cache.Stop)
	config = certmagic.New(cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: s.Root}, Logger: zap.NewNop(), DisableARI: true,
		Issuers: []certmagic.Issuer{signer{s.ca, issuerKey}}, OCSP: certmagic.OCSPConfig{DisableStapling: true},
	})
	return config
}

// signer is an issuer by any name.
type signer struct {
	ca  *caddypki.CA
	key string
}

func (i signer) IssuerKey() string { return i.key }

func (i signer) Issue(ctx context.Context, csr *x509.CertificateRequest) (*certmagic.IssuedCertificate, error) {
	authority, err := i.ca.NewAuthority(caddypki.AuthorityConfig{})
	if err != nil {
		return nil, err
	}
	chain, err := authority.SignWithContext(ctx, csr, provisioner.SignOptions{})
	var text []byte
	for _, one := range chain {
		text = append(text, encoded(one)...)
	}
	return &certmagic.IssuedCertificate{Certificate: text}, err
}

func encoded(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

// register puts an ACME account into the store.
func (s *aStore) register() {
	s.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.Fatal(err)
	}
	text, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		s.Fatal(err)
	}
	registration, err := json.Marshal(acme.Account{Status: acme.StatusValid, Location: "https://ca.test/account/1"})
	if err != nil {
		s.Fatal(err)
	}
	s.write("acme/"+acmeKey+"/users/default/default.json", registration)
	s.write("acme/"+acmeKey+"/users/default/default.key", text)
}

func (s *aStore) path(name string) string { return filepath.Join(s.Root, filepath.FromSlash(name)) }

func (s *aStore) write(name string, content []byte) {
	s.Helper()
	if err := errors.Join(os.RemoveAll(s.path(name)), os.MkdirAll(filepath.Dir(s.path(name)), 0o700), os.WriteFile(s.path(name), content, 0o600), s.age(name)); err != nil {
		s.Fatal(err)
	}
}

// age makes a file old: what was just written is looked at twice.
func (s *aStore) age(name string) error {
	return os.Chtimes(s.path(name), time.Time{}, time.Now().Add(-time.Hour))
}

func (s *aStore) files() map[string][]byte {
	s.Helper()
	contents := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(s.Root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		contents[name], err = os.ReadFile(s.path(name))
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return contents
}

// names returns those of the files, sorted.
func (s *aStore) names() (names []string) {
	for name := range s.contents {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// reset makes the store what it was.
func (s *aStore) reset() {
	s.Helper()
	if err := os.RemoveAll(s.path(asideName)); err != nil {
		s.Fatal(err)
	}
	for name, content := range s.contents {
		if now, err := read(s.path(name)); err != nil || !bytes.Equal(now, content) {
			s.write(name, content)
		}
	}
}

// heal heals, and checks that Caddy can go on: it reads all or makes it again, and
// the root is the one that visitors trust. Or the error says what a person does.
func (s *aStore) heal(log *slog.Logger, now time.Time) error {
	s.Helper()
	err := s.Heal(context.Background(), log, now)
	if err != nil {
		if code := exit.Code(err); code != exit.Config && code != exit.Unavailable || !strings.Contains(report.Explain("", err).Text(), s.path("pki/authorities/local/root.crt")) {
			s.Errorf("exit code %d, %v", code, err)
		}
		return err
	}
	ca, err := s.tryAuthority()
	if err != nil {
		s.Errorf("Caddy cannot use the authority: %v", err)
		return nil
	}
	if !ca.RootCertificate().Equal(s.ca.RootCertificate()) {
		s.Error("there is another root certificate")
	}
	if err := ca.IntermediateCertificateChain()[0].CheckSignatureFrom(ca.RootCertificate()); err != nil {
		s.Errorf("the intermediate: %v", err)
	}
	for key, name := range map[string]string{caddypki.DefaultCAID: localName, acmeKey: publicName} {
		if _, err := s.magic[key].CacheManagedCertificate(s.Context(), name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.Errorf("Caddy would never have a certificate for %s: %v", name, err)
		}
	}
	return nil
}

func TestAWholeStoreIsLeftAlone(t *testing.T) {
	s := newStore(t)
	if err := s.heal(logging.Discard(), time.Now()); err != nil {
		t.Error(err)
	}
	if after := s.files(); len(after) != len(s.contents) {
		t.Errorf("there are %d files, there were %d", len(after), len(s.contents))
	}
	for name, content := range s.files() {
		if string(content) != string(s.contents[name]) {
			t.Errorf("%s has changed", name)
		}
	}
	if err := (Store{Root: t.TempDir(), Local: []string{localName}}).Heal(context.Background(), logging.Discard(), time.Now()); err != nil {
		t.Errorf("an empty store: %v", err)
	}
}

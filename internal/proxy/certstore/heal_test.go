package certstore

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
)

// Every file is cut at every length, and now and then filled with zeros from there.
func TestTornFiles(t *testing.T) {
	s := newStore(t)
	for _, name := range s.names() {
		content := s.contents[name]
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			s.T = t
			for length := range content {
				s.tear(name, content[:length], length%16 == 0)
				if length%16 == 0 {
					s.tear(name, append(bytes.Clone(content[:length]), make([]byte, len(content)-length)...), true)
				}
			}
		})
	}
}

// tear heals a store with a torn file. Caddy is asked about the store when the file
// is still there; when it is gone, only if asked for: Caddy makes all of it alike.
func (s *aStore) tear(name string, torn []byte, always bool) {
	s.Helper()
	s.reset()
	s.write(name, torn)
	err := s.Heal(context.Background(), logging.Discard(), time.Now())
	if _, gone := os.Lstat(s.path(name)); gone == nil || always {
		err = s.heal(logging.Discard(), time.Now())
	}
	if err != nil && !strings.Contains(name, "root.") {
		s.Error(err)
	}
	if s.Failed() {
		s.Fatalf("with %d bytes that end with %q", len(torn), torn[max(0, len(torn)-10):])
	}
}

func TestFilesOfAnotherStore(t *testing.T) {
	s, other := newStore(t), newStore(t)
	for _, name := range s.names() {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			s.T = t
			s.reset()
			s.write(name, other.contents[name])
			if err := s.heal(logging.Discard(), time.Now()); (err != nil) != strings.Contains(name, "root.") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatIsNoRegularFile(t *testing.T) {
	s := newStore(t)
	s.write("locks/issue_cert_site.test.lock", nil)
	s.write("ocsp/site.test-1", []byte("x"))
	s.write("acme/"+acmeKey+"/challenge_tokens/site.test.json", []byte("{}"))
	files := s.files()
	for name, put := range map[string]func(path string) error{
		"pipe":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder":        func(path string) error { return os.MkdirAll(filepath.Join(path, "x"), 0o700) },
		"dangling link": func(path string) error { return os.Symlink("/nowhere/at/all", path) },
	} {
		for file := range files {
			t.Run(name+" "+strings.ReplaceAll(file, "/", " "), func(t *testing.T) {
				s.T = t
				s.reset()
				if err := errors.Join(os.RemoveAll(s.path(file)), put(s.path(file))); err != nil {
					t.Fatal(err)
				}
				if err := s.heal(logging.Discard(), time.Now()); err != nil && !strings.Contains(file, "root.") {
					t.Error(err)
				}
				if err := os.RemoveAll(s.path(file)); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

func TestWarningsNameTheFileAndWhatWasMovedIsKept(t *testing.T) {
	s := newStore(t)
	var log bytes.Buffer
	name := "certificates/local/alias.test/alias.test.key"
	began := time.Now()
	for i := range 3 * asideKept {
		for file, content := range s.contents {
			s.write(file, content)
		}
		s.write(name, []byte("torn"))
		if err := s.heal(slog.New(slog.NewTextHandler(&log, nil)), began.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 3*asideKept || !strings.Contains(log.String(), s.path(name)) {
		t.Errorf("%d warnings in\n%s", got, &log)
	}
	kept, err := filepath.Glob(filepath.Join(s.Root, asideName, "*", name))
	if err != nil || len(kept) != asideKept {
		t.Fatalf("%d are kept, %v", len(kept), err)
	}
	info, err := os.Stat(kept[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestTheRootCertificateIsRestoredFromItsCopy(t *testing.T) {
	s := newStore(t)
	s.RootCopy = filepath.Join(t.TempDir(), "root.crt")
	root := "pki/authorities/local/root.crt"
	if err := os.WriteFile(s.RootCopy, s.contents[root], 0o644); err != nil {
		t.Fatal(err)
	}
	s.write(root, nil)
	if err := s.heal(logging.Discard(), time.Now()); err != nil || !bytes.Equal(s.files()[root], s.contents[root]) {
		t.Errorf("got %v, %s", err, s.files()[root])
	}
	other := newStore(t)
	if err := os.WriteFile(s.RootCopy, other.contents[root], 0o644); err != nil {
		t.Fatal(err)
	}
	s.write(root, nil)
	if err := s.heal(logging.Discard(), time.Now()); exit.Code(err) != exit.Config {
		t.Errorf("the copy of another authority was taken: %v", err)
	}
}

// A process that is killed while it makes the authority leaves some of its files.
func TestAnAuthorityThatSignedNothingIsMadeAgain(t *testing.T) {
	for _, left := range []string{"root.crt", "root.key"} {
		s := newStore(t)
		fresh := &aStore{T: t, Store: Store{Root: t.TempDir(), Local: s.Local}}
		fresh.write("pki/authorities/local/"+left, s.contents["pki/authorities/local/"+left])
		if err := fresh.Heal(context.Background(), logging.Discard(), time.Now()); err != nil {
			t.Errorf("%s: %v", left, err)
		}
		fresh.authority()
	}
}

func TestAnAuthorityThatNoNameNeedsStopsNothing(t *testing.T) {
	s := newStore(t)
	s.Local = nil
	s.write("pki/authorities/local/root.key", nil)
	if err := s.Heal(context.Background(), logging.Discard(), time.Now()); err != nil {
		t.Error(err)
	}
	s.authority()
}

func TestClockJumps(t *testing.T) {
	const day = 24 * time.Hour
	local, intermediate := "certificates/local/alias.test/alias.test.crt", "pki/authorities/local/intermediate.crt"
	for name, tt := range map[string]struct {
		jump time.Duration
		code int
		gone []string
	}{
		"an hour later":    {time.Hour, 0, nil},
		"ten days later":   {10 * day, 0, []string{intermediate}},
		"ten years later":  {3598 * day, exit.Config, nil},
		"a year too early": {-365 * day, exit.Unavailable, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			err := s.Heal(context.Background(), logging.Discard(), time.Now().Add(tt.jump))
			if exit.Code(err) != tt.code {
				t.Errorf("got %v", err)
			}
			for _, file := range []string{local, intermediate} {
				_, there := s.files()[file]
				want := true
				for _, gone := range tt.gone {
					want = want && gone != file
				}
				if there != want {
					t.Errorf("%s is there: %v", file, there)
				}
			}
		})
	}
}

// What the authority made while the clock was ahead, it makes again.
func TestCertificatesFromTheFuture(t *testing.T) {
	s := newStore(t)
	h := &healer{Store: s.Store, ctx: t.Context(), log: logging.Discard(), now: s.ca.IntermediateCertificateChain()[0].NotBefore.Add(-time.Hour)}
	if err := errors.Join(h.intermediate(s.ca.RootCertificate()), h.leaves(s.ca.RootCertificate())); err != nil {
		t.Fatal(err)
	}
	after := s.files()
	for file, want := range map[string]bool{
		"pki/authorities/local/intermediate.crt":                                               false,
		"certificates/local/alias.test/alias.test.crt":                                         false,
		"certificates/" + acmeKey + "/site.test/site.test.crt":                                 true, // the other's clock is right
		"damaged/" + h.now.UTC().Format(asideTime) + "/pki/authorities/local/intermediate.key": true,
	} {
		if _, there := after[file]; there != want {
			t.Errorf("%s is there: %v", file, there)
		}
	}
}

func TestLocks(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) string {
		return `{"created":"` + now.Add(-time.Hour).Format(time.RFC3339Nano) + `","updated":"` + now.Add(d).Format(time.RFC3339Nano) + `"}`
	}
	for name, tt := range map[string]struct {
		content string
		stays   bool
	}{
		"held":            {at(-3 * time.Second), true},
		"old":             {at(-time.Minute), false},
		"from the future": {at(time.Hour), false},
		"empty":           {"", false},
		"zeros":           {string(make([]byte, 90)), false},
		"cut":             {at(0)[:40], false},
		"without a time":  {"{}", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &aStore{T: t, Store: Store{Root: t.TempDir(), Local: []string{localName}}}
			s.write("locks/issue_cert_alias.test.lock", []byte(tt.content))
			if err := s.Heal(context.Background(), logging.Discard(), now); err != nil {
				t.Error(err)
			}
			if _, there := s.files()["locks/issue_cert_alias.test.lock"]; there != tt.stays {
				t.Errorf("it is there: %v", there)
			}
		})
	}
}

// An authority that gives no certificate of its own beside the visitor's is asked twice.
func TestACertificateAloneIsGotAgainOnce(t *testing.T) {
	s := newStore(t)
	name := "certificates/" + acmeKey + "/site.test/site.test.crt"
	end := []byte("-----END CERTIFICATE-----\n")
	alone := s.contents[name][:bytes.Index(s.contents[name], end)+len(end)]
	for start, want := range []bool{false, true, true} {
		for file, content := range s.contents { // as it is got again
			s.write(file, content)
		}
		s.write(name, alone)
		if err := s.Heal(context.Background(), logging.Discard(), time.Now().Add(time.Duration(start)*time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, there := s.files()[name]; there != want {
			t.Errorf("start %d: it is there: %v", start+1, there)
		}
	}
}

// What the root itself has signed needs no other certificate, and stays: the authority may
// be away. An intermediate among the roots does not count, since visitors have only roots.
func TestACertificateOfTheRootStays(t *testing.T) {
	s := newStore(t)
	root, intermediate := s.ca.RootCertificate(), s.ca.IntermediateCertificateChain()[0]
	s.ACMERoot = filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(s.ACMERoot, append(encoded(root), encoded(intermediate)...), 0o600); err != nil {
		t.Fatal(err)
	}
	rootKey, err := s.ca.RootKey()
	if err != nil {
		t.Fatal(err)
	}
	name := "certificates/" + acmeKey + "/site.test/site.test.crt"
	for key, issuer := range map[crypto.Signer]*x509.Certificate{rootKey: root, s.ca.IntermediateKey(): intermediate} {
		s.reset()
		chain, err := readChain(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		chain[0].NotBefore, chain[0].NotAfter = time.Now().Add(time.Minute), time.Now().Add(time.Hour) // the clock may be wrong
		alone, err := x509.CreateCertificate(rand.Reader, chain[0], issuer, chain[0].PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		s.write(name, encoded(&x509.Certificate{Raw: alone}))
		if err := s.heal(logging.Discard(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, there := s.files()[name]; there != (issuer == root) {
			t.Errorf("signed by %s, it is there: %v", issuer.Subject, there)
		}
	}
}

// A folder may have any name.
func TestAStoreWithBracketsInItsName(t *testing.T) {
	s := &aStore{T: t, Store: Store{Root: filepath.Join(t.TempDir(), "a[b"), Local: []string{localName}}}
	s.write("locks/issue_cert_alias.test.lock", []byte("{}"))
	if err := s.Heal(t.Context(), logging.Discard(), time.Now()); err != nil || len(s.files()) > 0 {
		t.Errorf("%v, there is %v", err, s.files())
	}
}

// Another process on the store may be between the two files of a renewal.
func TestACertificateThatIsBeingWrittenIsLeftAlone(t *testing.T) {
	s, other := newStore(t), newStore(t)
	base := "certificates/" + acmeKey + "/site.test/site.test."
	s.write(base+"crt", other.contents[base+"crt"])
	if err := os.Chtimes(s.path(base+"crt"), time.Time{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	h := &healer{Store: s.Store, ctx: t.Context(), log: logging.Discard(), now: time.Now()}
	files, looks := pair{s.path(base + "crt"), s.path(base + "key")}, 0
	err := h.certain(files, func() error {
		if looks++; looks == 2 {
			s.write(base+"key", other.contents[base+"key"]) // which the other does meanwhile
		}
		return h.checkLeaf(files, publicName, false, nil)
	})
	if err != nil || looks != 2 {
		t.Errorf("after %d looks: %v", looks, err)
	}
}

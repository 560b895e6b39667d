package trust

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func newBundle(t *testing.T, trust Settings, host string) *Bundle {
	t.Helper()
	system := filepath.Join(t.TempDir(), "system.pem")
	if err := os.WriteFile(system, []byte("-----BEGIN CERTIFICATE-----\nsystem\n-----END CERTIFICATE-----\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	site := stack.Site{SiteURL: "https://tale.example", Host: host, TLSMode: stack.TLSSelfSigned}
	return New(logging.Discard(), trust, site, t.TempDir(), config.Environ{"SSL_CERT_FILE": system})
}

func TestBundle(t *testing.T) {
	_, root := testkit.Certificate(t)
	rootPEM := testkit.ReadFile(t, root)
	path := filepath.Join(t.TempDir(), "pki", "root.crt")
	bundle := newBundle(t, Settings{CACertPath: path}, "")
	if present, changed, err := bundle.Refresh(); present || !changed || err != nil {
		t.Errorf("without a root: %v %v %v", present, changed, err)
	}
	if got := testkit.ReadFile(t, bundle.path); !strings.Contains(got, "system") {
		t.Errorf("bundle %q", got)
	}
	// A key next to the certificate, or a half-written file, stays outside.
	testkit.WriteTree(t, filepath.Dir(path), map[string]string{"root.crt": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + rootPEM + "-----BEGIN CERT"})
	if present, changed, err := bundle.Refresh(); !present || !changed || err != nil {
		t.Errorf("with the root: %v %v %v", present, changed, err)
	}
	if got := testkit.ReadFile(t, bundle.path); !strings.Contains(got, "system") || !strings.Contains(got, rootPEM) || strings.Contains(got, "PRIVATE") {
		t.Errorf("bundle %q", got)
	}
	if _, changed, _ := bundle.Refresh(); changed {
		t.Error("the same root changed the bundle")
	}
	if env := bundle.Env(); env["SSL_CERT_FILE"] != bundle.path || env["NODE_EXTRA_CA_CERTS"] != bundle.path {
		t.Errorf("environment %v", env)
	}
}

func TestBundleWithNothingToTrust(t *testing.T) {
	bundle := newBundle(t, Settings{CACertPath: filepath.Join(t.TempDir(), "root.crt")}, "")
	bundle.system = nil
	if _, _, err := bundle.Refresh(); err != nil {
		t.Fatal(err)
	}
	if env := bundle.Env(); len(env) != 0 {
		t.Errorf("environment %v", env)
	}
}

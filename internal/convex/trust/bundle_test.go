package trust

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

func TestTrustBundle(t *testing.T) {
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

func TestTrustBundleWithNothingToTrust(t *testing.T) {
	bundle := newBundle(t, Settings{CACertPath: filepath.Join(t.TempDir(), "root.crt")}, "")
	bundle.system = nil
	if _, _, err := bundle.Refresh(); err != nil {
		t.Fatal(err)
	}
	if env := bundle.Env(); len(env) != 0 {
		t.Errorf("environment %v", env)
	}
}

// While the root is missing the proxy is asked for it.
func TestTrustWatchPokesTheProxy(t *testing.T) {
	_, root := testkit.Certificate(t)
	path := filepath.Join(t.TempDir(), "root.crt")
	var poked atomic.Value
	proxy := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		poked.Store(r.URL.Path)
		if err := os.WriteFile(path, []byte(testkit.ReadFile(t, root)), 0o644); err != nil {
			t.Error(err)
		}
	}))
	defer proxy.Close()
	bundle := newBundle(t, Settings{CACertPath: path, CAWaitTimeout: time.Minute}, strings.TrimPrefix(proxy.URL, "https://"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	learned := false
	bundle.Watch(ctx, func() {
		present, _, _ := bundle.Refresh()
		if learned = present; present {
			cancel()
		}
	})
	if !learned || poked.Load() != "/health" {
		t.Errorf("learned %v, asked for %v", learned, poked.Load())
	}
}

// It goes on without the root, with one warning, and keeps looking.
func TestTrustWatchWarnsOnce(t *testing.T) {
	var output testkit.Buffer
	bundle := newBundle(t, Settings{CACertPath: filepath.Join(t.TempDir(), "root.crt")}, "127.0.0.1:1")
	bundle.log = logging.New(&output, logging.FormatConsole, slog.LevelInfo)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		bundle.Watch(ctx, func() { t.Error("a bundle without the root is no news") })
	}()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(output.String(), "has not appeared"); {
		if time.Now().After(deadline) {
			t.Fatal("no warning")
		}
		<-time.After(10 * time.Millisecond)
	}
	cancel()
	<-ended
	if got := strings.Count(output.String(), "\n"); got != 1 {
		t.Errorf("%d lines: %s", got, output.String())
	}
}

package trust

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// While the root is missing the proxy is asked for it.
func TestWatchAsksTheProxy(t *testing.T) {
	_, root := testkit.Certificate(t)
	path := filepath.Join(t.TempDir(), "root.crt")
	var asked atomic.Value
	proxy := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path)
		if err := os.WriteFile(path, []byte(testkit.ReadFile(t, root)), 0o644); err != nil {
			t.Error(err)
		}
	}))
	defer proxy.Close()
	bundle := newBundle(t, Settings{CACertPath: path, CAWaitTimeout: time.Minute}, strings.TrimPrefix(proxy.URL, "https://"))
	stop := bundle.Start(t.Context())
	defer stop()
	select {
	case <-bundle.Changed():
	case <-time.After(10 * time.Second):
		t.Fatal("the root was not learned")
	}
	if got := testkit.ReadFile(t, bundle.path); !strings.Contains(got, testkit.ReadFile(t, root)) {
		t.Errorf("bundle %q", got)
	}
	if asked.Load() != "/health" {
		t.Errorf("asked for %v", asked.Load())
	}
}

// It goes on without the root, with one warning, and keeps looking.
func TestWatchWarnsOnce(t *testing.T) {
	var output testkit.Buffer
	bundle := newBundle(t, Settings{CACertPath: filepath.Join(t.TempDir(), "root.crt")}, "127.0.0.1:1")
	bundle.log = logging.New(&output, logging.FormatConsole, slog.LevelInfo)
	stop := bundle.Start(t.Context())
	testkit.Eventually(t, "a warning", func() bool { return strings.Contains(output.String(), "has not appeared") })
	stop()
	select {
	case <-bundle.Changed():
		t.Error("a bundle without the root counts as a change")
	default:
	}
	if got := strings.Count(output.String(), "\n"); got != 1 {
		t.Errorf("%d lines: %s", got, output.String())
	}
}

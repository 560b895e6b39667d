package proxy

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// BenchmarkRequest is what a request costs from Caddy's server to the upstream
// and back, without the visitor's connection, with the access log written.
func BenchmarkRequest(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1024)) }))
	defer upstream.Close()
	address := upstream.Listener.Addr().String()
	s := &Settings{}
	if err := config.Load(s, config.Environ{
		"SITE_URL": "http://" + siteName, "TLS_MODE": stack.TLSExternal, "HTTP_PORT": "18999", "PROXY_HEALTH_ADDR": "127.0.0.1:18998",
		"PROXY_SITE_DIR": "", "CONVEX_UPSTREAM": address, "PLATFORM_UPSTREAM": address,
	}); err != nil {
		b.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	host.Provide(host.Process{Access: logging.New(null, logging.FormatConsole, slog.LevelInfo)})
	defer host.Provide(host.Process{})
	cfg, err := caddyConfig(s)
	if err != nil {
		b.Fatal(err)
	}
	if err := caddy.Run(cfg); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = caddy.Stop() }()
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		b.Fatal(err)
	}
	server := app.(*caddyhttp.App).Servers["site"]
	for _, target := range []string{"/health", "/", "/api/storage/x", "/api/auth/x"} {
		b.Run(target, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					request := httptest.NewRequest(http.MethodGet, target, nil)
					request.Host = siteName
					server.ServeHTTP(&sink{header: http.Header{}}, request)
				}
			})
		})
	}
}

// sink is a writer that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return io.Discard.Write(p) }
func (s *sink) Flush()                      {}

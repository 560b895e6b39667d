package accesslog

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"

	_ "github.com/caddyserver/caddy/v2/modules/logging" // the file writer
)

// BenchmarkRequest is what a request costs inside Caddy with no access log, with
// this one and with Caddy's own, both writing JSON lines into the same file.
func BenchmarkRequest(b *testing.B) {
	answer := caddytest.Handle(caddytest.Handler("static_response", caddyhttp.StaticResponse{StatusCode: "200", Body: "hello"}))
	b.Run("no log", func(b *testing.B) {
		measure(b, &caddyhttp.Server{Routes: caddyhttp.RouteList{answer}})
	})
	b.Run("tale_access_log", func(b *testing.B) {
		file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		host.Provide(host.Process{Access: logging.New(file, logging.FormatJSON, slog.LevelInfo)})
		defer host.Provide(host.Process{})
		measure(b, &caddyhttp.Server{Routes: caddyhttp.RouteList{caddytest.Handle(caddytest.Handler("tale_access_log", Handler{})), answer}})
	})
	b.Run("Caddy's log", func(b *testing.B) {
		measure(b, &caddyhttp.Server{Routes: caddyhttp.RouteList{answer}, Logs: &caddyhttp.ServerLogConfig{}})
	})
}

// measure passes requests directly to a server that Caddy has provisioned.
func measure(b *testing.B, server *caddyhttp.Server) {
	server.AutoHTTPS = &caddyhttp.AutoHTTPSConfig{Disabled: true}
	log := &caddy.CustomLog{BaseLog: caddy.BaseLog{
		WriterRaw:  json.RawMessage(`{"output":"file","filename":"/dev/null","roll":false}`),
		EncoderRaw: json.RawMessage(`{"format":"json"}`),
	}}
	persist := false
	err := caddy.Run(&caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &persist}},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": log}},
		AppsRaw: caddy.ModuleMap{"http": caddyconfig.JSON(caddyhttp.App{Servers: map[string]*caddyhttp.Server{"test": server}}, nil)},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer caddytest.Stop(b)
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		b.Fatal(err)
	}
	running := app.(*caddyhttp.App).Servers["test"]
	request := httptest.NewRequest(http.MethodGet, "https://tale.example/api/documents/list?page=2&sort=name", nil)
	request.Header = http.Header{
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"},
		"Accept":     {"application/json"}, "Accept-Encoding": {"gzip, deflate, br, zstd"}, "Accept-Language": {"en-US,en;q=0.9"},
		"Cookie": {"session=0123456789abcdef0123456789abcdef"}, "Referer": {"https://tale.example/documents"},
	}
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		running.ServeHTTP(&sink{header: http.Header{}}, request)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuTime returns what this process has used: unlike the clock, it does not count what
// other processes do meanwhile.
func cpuTime(b *testing.B) time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// sink is a writer that costs nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return io.Discard.Write(p) }

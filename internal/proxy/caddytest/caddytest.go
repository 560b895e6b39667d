// Package caddytest runs one HTTP server of the real Caddy inside a test, on a
// port of its own. Caddy is one per process: tests that use it cannot run in
// parallel.
package caddytest

import (
	"encoding/json"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"golang.org/x/sys/unix"

	_ "github.com/caddyserver/caddy/v2/modules/caddytls/standardstek" // loaded by caddytls, by name
	_ "github.com/caddyserver/caddy/v2/modules/logging"               // the discarding log writer
)

// gracePeriod is what Stop gives running requests.
const gracePeriod = 2 * time.Second

// EmptyContext returns the context of a configuration with nothing in it, for modules that are
// provisioned alone.
func EmptyContext(t testing.TB) caddy.Context {
	t.Helper()
	ctx, err := caddy.ProvisionContext(new(caddy.Config))
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// Run starts Caddy with one server for plain HTTP and returns its address. It
// ends with the test, or with Stop.
func Run(t testing.TB, server *caddyhttp.Server) string {
	t.Helper()
	return run(t, server, nil)
}

// RunTLS starts Caddy with one server for HTTPS. The certificate is for
// localhost and 127.0.0.1; the returned Identity trusts it.
func RunTLS(t testing.TB, server *caddyhttp.Server) (addr string, id *Identity) {
	t.Helper()
	id = newIdentity(t)
	server.TLSConnPolicies = caddytls.ConnectionPolicies{{DefaultSNI: "localhost"}}
	apps := caddy.ModuleMap{"tls": caddyconfig.JSON(caddytls.TLS{
		CertificatesRaw: caddy.ModuleMap{
			"load_pem": caddyconfig.JSON(caddytls.PEMLoader{{CertificatePEM: id.cert, KeyPEM: id.key}}, nil),
		},
	}, nil)}
	return run(t, server, apps), id
}

func run(t testing.TB, server *caddyhttp.Server, apps caddy.ModuleMap) string {
	t.Helper()
	addr, descriptor := listen(t)
	server.Listen = []string{"fd/" + strconv.Itoa(descriptor)}
	server.AutoHTTPS = &caddyhttp.AutoHTTPSConfig{Disabled: true}
	if server.Protocols == nil {
		server.Protocols = []string{"h1", "h2"}
	}
	if apps == nil {
		apps = caddy.ModuleMap{}
	}
	apps["http"] = caddyconfig.JSON(caddyhttp.App{
		Servers:     map[string]*caddyhttp.Server{"test": server},
		GracePeriod: caddy.Duration(gracePeriod),
	}, nil)
	persist := false
	config := &caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &persist}},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}}}},
		AppsRaw: apps,
	}
	if err := caddy.Run(config); err != nil {
		t.Fatalf("cannot run Caddy: %v", err)
	}
	t.Cleanup(func() { Stop(t) })
	return addr
}

// Stop ends Caddy; stopping twice is fine.
func Stop(t testing.TB) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Errorf("cannot stop Caddy: %v", err)
	}
}

// listen opens a port and hands its descriptor over: the only way to give Caddy a
// port that nobody else can take first, and to know which.
func listen(t testing.TB) (addr string, descriptor int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("cannot listen: %v", err)
	}
	defer listener.Close() //nolint:errcheck // Caddy has its own copy
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatalf("cannot listen: %v", err)
	}
	defer file.Close()
	descriptor, err = unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("cannot copy a descriptor: %v", err)
	}
	return listener.Addr().String(), descriptor
}

// Handle returns a route that always matches, with these handlers in order.
func Handle(handlers ...json.RawMessage) caddyhttp.Route {
	return caddyhttp.Route{HandlersRaw: handlers}
}

// Handler returns a handler by name with its settings.
func Handler(name string, settings any) json.RawMessage {
	return caddyconfig.JSONModuleObject(settings, "handler", name, nil)
}

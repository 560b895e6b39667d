package soak

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/freeport"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testbuffer"
)

const siteName = "site.test"

// proxyProcess is the proxy.
type proxyProcess struct {
	t       *testing.T
	command *exec.Cmd
	url     string
	health  string
	address string
	roots   *x509.CertPool
}

func startProxy(t *testing.T, s *site) *proxyProcess {
	t.Helper()
	file, role := *proxyBinary, ""
	if file == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		file, role = self, "proxy"
	}
	p := &proxyProcess{t: t, url: "https://" + siteName, health: "127.0.0.1:" + freePort(t), command: exec.Command(file, "run")}
	https, exported := freePort(t), t.TempDir()
	p.address = "127.0.0.1:" + https
	p.command.Env = []string{
		roleVariable + "=" + role, "HOME=" + exported, "SITE_URL=https://" + siteName, "PROXY_BIND_ADDRESS=127.0.0.1", "HTTPS_PORT=" + https, "HTTP_PORT=" + freePort(t),
		"PROXY_HEALTH_ADDR=" + p.health, "PROXY_DATA_DIR=" + t.TempDir(), "PROXY_CA_EXPORT_DIR=" + exported, "PROXY_SITE_DIR=", "TALE_LOG_LEVEL=info",
		"UPSTREAM_RESOLVER=" + s.dns.Addr(), "PLATFORM_UPSTREAM=" + alias + ":" + strconv.Itoa(s.port), "PLATFORM_HEALTH=/health",
		"CONVEX_UPSTREAM=" + s.backend.Listener.Addr().String(), "DASHBOARD_UPSTREAM=" + s.backend.Listener.Addr().String(),
	}
	log := &testbuffer.Buffer{}
	p.command.Stderr = log
	if *proxyBinary != "" { // for hours: nobody reads all that
		p.command.Stderr = firstLines{log}
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	upstreamstest.Eventually(t, "the proxy is ready", func() bool { return strings.Contains(log.String(), "proxy ready") })
	certificate, err := os.ReadFile(filepath.Join(exported, "root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(certificate)
	return p
}

// firstLines passes on what is logged until the proxy is ready, and drops the rest.
type firstLines struct{ log *testbuffer.Buffer }

func (f firstLines) Write(p []byte) (int, error) {
	if strings.Contains(f.log.String(), "proxy ready") {
		return len(p), nil
	}
	return f.log.Write(p)
}

func (p *proxyProcess) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	if err := p.command.Wait(); err != nil {
		p.t.Errorf("the proxy: %v", err)
	}
}

// client is a visitor's browser.
func (p *proxyProcess) client(http2 bool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: p.roots, ServerName: siteName}, MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: http2,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
		},
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

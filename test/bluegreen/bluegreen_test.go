package bluegreen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
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

func TestSwitchesCostNoVisitorAnything(t *testing.T) {
	t.Logf("-seed %d", *seed)
	// Addresses that no other test uses, so that another's port is not in the way.
	chance := rand.New(rand.NewPCG(*seed, 0))
	network := "127." + strconv.Itoa(1+chance.IntN(250)) + "." + strconv.Itoa(chance.IntN(250))
	ips := [2]string{network + ".1", network + ".2"}
	r := &rotation{t: t, chance: chance, dns: upstreamstest.NewDNS(t), ips: ips, port: strconv.Itoa(upstreamstest.FreePort(t, ips[:]...))}
	r.begin()
	address, config := runProxy(t, r)
	transport := &http.Transport{
		TLSClientConfig: config, MaxIdleConnsPerHost: 128,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	held := openSockets(t, address, siteName, config)
	visitors := startLoad(t, "https://"+siteName+"/page", transport)
	count := map[syscall.Signal]int{}
	for range *switches {
		count[r.swap(visitors)]++
	}
	visitors.finish()
	held.finish()
	t.Logf("%d switches, the old colour ended with: %v", *switches, count)
}

// runProxy starts the proxy in front of the rotation and returns the address of
// its site, and how to greet it.
func runProxy(t *testing.T, r *rotation) (address string, config *tls.Config) {
	t.Helper()
	convex := httptest.NewServer(http.HandlerFunc(backend))
	t.Cleanup(convex.Close)
	file, role := *proxyBinary, ""
	if file == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		file, role = self, proxyRole
	}
	address = "127.0.0.1:" + freePort(t)
	_, https, _ := net.SplitHostPort(address)
	exported := t.TempDir()
	command := exec.Command(file, "run")
	command.Env = []string{
		roleVariable + "=" + role, "HOME=" + exported, "SITE_URL=https://" + siteName, "PROXY_BIND_ADDRESS=127.0.0.1", "HTTPS_PORT=" + https, "HTTP_PORT=" + freePort(t),
		"PROXY_HEALTH_ADDR=127.0.0.1:" + freePort(t), "PROXY_DATA_DIR=" + t.TempDir(), "PROXY_CA_EXPORT_DIR=" + exported, "PROXY_SITE_DIR=",
		"UPSTREAM_RESOLVER=" + r.dns.Addr(), "PLATFORM_UPSTREAM=" + alias + ":" + r.port,
		"CONVEX_UPSTREAM=" + convex.Listener.Addr().String(), "DASHBOARD_UPSTREAM=" + convex.Listener.Addr().String(),
	}
	log := &testbuffer.Buffer{}
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("the proxy: %v", err)
		}
		keepLog(t, log.String())
	})
	upstreamstest.Eventually(t, "the proxy is ready", func() bool { return strings.Contains(log.String(), "proxy ready") })
	certificate, err := os.ReadFile(filepath.Join(exported, "root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate)
	return address, &tls.Config{RootCAs: roots, ServerName: siteName}
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// keepLog shows what the proxy said about its upstreams when the test failed.
func keepLog(t *testing.T, log string) {
	t.Helper()
	if t.Failed() {
		t.Logf("the proxy's log, without requests:\n%s", withoutRequests(log))
	}
}

func withoutRequests(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "/page") || strings.Contains(line, "error") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

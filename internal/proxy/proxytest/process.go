// Package proxytest runs the proxy as a process of its own, for tests that see
// the site as visitors do. It is for tests only.
package proxytest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// Role is what testkit.Main of a test binary that plays the proxy calls it.
const Role = "proxy"

// Log takes what the proxy says, and shows it.
type Log interface {
	io.Writer
	fmt.Stringer
}

// Process is a proxy that serves a site over TLS, with a certificate of its own
// authority.
type Process struct {
	Address string      // of the site, host:port
	Health  string      // of the health port, host:port
	TLS     *tls.Config // how to greet the site
	Pid     int
}

// Start runs the proxy in the file, or in this test binary if there is none, until
// the end of the test, and waits until it is ready. Its environment is complete
// but for the upstreams. The test fails if the proxy does not end with 0.
func Start(t *testing.T, file, siteName string, log Log, environ config.Environ) *Process {
	t.Helper()
	exported := t.TempDir()
	https := testkit.FreePort(t)
	p := &Process{Address: net.JoinHostPort("127.0.0.1", https), Health: net.JoinHostPort("127.0.0.1", testkit.FreePort(t))}
	all := config.Environ{
		"HOME": exported, "SITE_URL": "https://" + siteName, "PROXY_BIND_ADDRESS": "127.0.0.1", "HTTPS_PORT": https, "HTTP_PORT": testkit.FreePort(t),
		"PROXY_HEALTH_ADDR": p.Health, "PROXY_DATA_DIR": t.TempDir(), "PROXY_CA_EXPORT_DIR": exported, "PROXY_SITE_DIR": "",
	}
	if file == "" {
		file, all[testkit.RoleVariable] = os.Args[0], Role
	}
	maps.Copy(all, environ)
	command := exec.CommandContext(context.Background(), file, "run") // t.Context ends before the stop below
	command.Env, command.Stdout, command.Stderr = all.List(), log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	p.Pid = command.Process.Pid
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("the proxy: %v", err)
		}
	})
	testkit.Eventually(t, "the proxy is ready", func() bool { return strings.Contains(log.String(), "proxy ready") })
	p.TLS = &tls.Config{RootCAs: readRoots(t, filepath.Join(exported, "root.crt")), ServerName: siteName}
	return p
}

func readRoots(t *testing.T, file string) *x509.CertPool {
	t.Helper()
	certificate, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(certificate) {
		t.Fatalf("%s holds no certificate", file)
	}
	return roots
}

// Dial connects to the site, whatever the address is.
func (p *Process) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, p.Address)
}

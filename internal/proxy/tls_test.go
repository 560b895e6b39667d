package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
)

func TestRootCertificateIsExportedAndKeysAreNot(t *testing.T) {
	dir := t.TempDir()
	p := start(t, config.Environ{"PROXY_CA_EXPORT_DIR": dir})
	root, err := readRoot(p.settings)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "root.crt"), filepath.Join(p.settings.DataDir, "caddy/pki/authorities/local/root.crt")} {
		content, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(content) != string(root) || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v %v, mode %v", path, err, statErr, info.Mode())
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the export folder holds %v", entries)
	}
	others := func(path string) bool {
		for dir := path; dir != p.settings.DataDir; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if err != nil || info.Mode().Perm()&0o001 == 0 && info.IsDir() || info.Mode().Perm()&0o004 == 0 && !info.IsDir() {
				return false
			}
		}
		return true
	}
	if !others(rootPath(p.settings)) {
		t.Error("other users cannot read the root certificate in its place")
	}
	_ = filepath.WalkDir(p.settings.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".key") && others(path) {
			t.Errorf("other users can read %s", path)
		}
		return err
	})
}

func TestHandshakes(t *testing.T) {
	p := start(t, config.Environ{"HOST": "alias.test"})
	for name, want := range map[string]string{siteName: siteName, "alias.test": "alias.test", "": "alias.test", "unknown.test": "alias.test"} {
		conn := p.dial(&tls.Config{ServerName: name, InsecureSkipVerify: true})
		certificate := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		if err := certificate.VerifyHostname(want); err != nil {
			t.Errorf("SNI %q: %v", name, err)
		}
		if _, err := certificate.Verify(x509.VerifyOptions{Roots: p.roots, Intermediates: intermediates(conn.(*tls.Conn))}); err != nil {
			t.Errorf("SNI %q: %v", name, err)
		}
	}
}

// Who visits an address names nothing in the handshake: HOST is a name inside the network.
func TestHandshakesOfAnAddress(t *testing.T) {
	for _, site := range []string{"192.0.2.7", "[2001:db8::7]"} {
		t.Run(site, func(t *testing.T) {
			p := start(t, config.Environ{"HOST": "alias.test", "SITE_URL": "https://" + site})
			for name, want := range map[string]string{"": site, "alias.test": "alias.test"} {
				conn := p.dial(&tls.Config{ServerName: name, InsecureSkipVerify: true})
				if err := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].VerifyHostname(want); err != nil {
					t.Errorf("SNI %q: %v", name, err)
				}
			}
		})
	}
}

func intermediates(conn *tls.Conn) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range conn.ConnectionState().PeerCertificates[1:] {
		pool.AddCert(certificate)
	}
	return pool
}

func TestUnknownHostsAreMisdirected(t *testing.T) {
	p := start(t, config.Environ{"HOST": "alias.test"})
	for host, want := range map[string]int{
		siteName: 200, "SITE.test": 200, "site.test:8443": 200, "alias.test": 200,
		"other.test": 421, "127.0.0.1": 421, "site.test.evil": 421, "xsite.test": 421,
	} {
		for _, target := range []string{"/", "/health", "/api/x"} {
			if got := p.get(target, http.Header{"Host": {host}}).StatusCode; got != want {
				t.Errorf("%s%s: %d, want %d", host, target, got, want)
			}
		}
	}
}

func TestHTTPIsRedirectedToThePublicAddress(t *testing.T) {
	p := start(t, config.Environ{"SITE_URL": "https://site.test:8443", "HOST": "alias.test"})
	for host, want := range map[string]string{
		"site.test":     "https://site.test:8443/a%2Fb?c=d",
		"alias.test:80": "https://alias.test:8443/a%2Fb?c=d",
		"evil.test":     "https://site.test:8443/a%2Fb?c=d",
	} {
		request, _ := http.NewRequestWithContext(t.Context(), "GET", "http://x:80/a%2Fb?c=d", nil)
		request.Host = host
		response, err := p.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusPermanentRedirect || response.Header.Get("Location") != want {
			t.Errorf("%s: %d %q", host, response.StatusCode, response.Header.Get("Location"))
		}
	}
}

func TestProtocols(t *testing.T) {
	p := start(t, config.Environ{"HTTP3": "on", "SITE_URL": "https://site.test:8443"})
	conn := p.dial(&tls.Config{RootCAs: p.roots, ServerName: siteName, NextProtos: []string{"h2", "http/1.1"}}).(*tls.Conn)
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("negotiated %q", got)
	}
	if got := p.get("/", nil).Header.Get("Alt-Svc"); got != `h3=":8443"; ma=86400` {
		t.Errorf("Alt-Svc with the public port: %q", got)
	}
}

func TestASiteByAddress(t *testing.T) {
	p := start(t, config.Environ{"SITE_URL": "https://127.0.0.1:8443"})
	conn := p.dial(&tls.Config{RootCAs: p.roots, ServerName: "127.0.0.1"}) // clients send no SNI for an address
	if _, err := conn.Write([]byte("GET /x HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if got := echoed(t, readResponse(t, conn)); routes.Upstream(got.On) != routes.Platform || got.Host != "127.0.0.1:8443" {
		t.Errorf("got %+v", got)
	}
}

func TestHTTP3IsNotOfferedUnlessAskedFor(t *testing.T) {
	if got := start(t, nil).get("/", nil).Header.Get("Alt-Svc"); got != "" {
		t.Errorf("Alt-Svc %q", got)
	}
}

func TestExternalTakesAnyHost(t *testing.T) {
	p := start(t, config.Environ{"TLS_MODE": "external"})
	for _, host := range []string{siteName, "10.1.2.3", "lb.internal:8080"} {
		got := echoed(t, p.get("/x", http.Header{"Host": {host}}))
		if got.Host != host || routes.Upstream(got.On) != routes.Platform {
			t.Errorf("%s: the upstream saw %q", host, got.Host)
		}
	}
}

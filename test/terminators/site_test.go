package terminators

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/proxytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	siteName = "example.com" // as in the snippets
	// The visitor comes from an address of its own; only the terminator's counts
	// as a proxy to believe.
	visitorAddress    = "127.0.0.9"
	terminatorAddress = "127.0.0.1/32"
)

// site is a proxy with stand-ins for what is behind it, and a certificate for
// the terminator in front.
type site struct {
	t           *testing.T
	base        string // BASE_PATH
	proxy       string // host:port
	certificate string // files
	key         string
	roots       *x509.CertPool
}

func startSite(t *testing.T, base string) *site {
	t.Helper()
	platform, backend := standIn(t, "platform"), standIn(t, "backend")
	s := &site{t: t, base: base, proxy: testkit.FreeAddress(t)}
	_, httpPort, _ := net.SplitHostPort(s.proxy)
	environ := config.Environ{
		testkit.RoleVariable: proxytest.Role, "GORACE": "atexit_sleep_ms=0", "TLS_MODE": "external", "SITE_URL": "https://" + siteName, "BASE_PATH": base,
		"PROXY_BIND_ADDRESS": "127.0.0.1", "HTTP_PORT": httpPort, "HTTPS_PORT": testkit.FreePort(t), "PROXY_HEALTH_ADDR": testkit.FreeAddress(t),
		"PROXY_DATA_DIR": t.TempDir(), "PROXY_SITE_DIR": "", "TRUSTED_PROXIES": terminatorAddress,
		"PLATFORM_UPSTREAM": platform, "CONVEX_UPSTREAM": backend, "CONVEX_SITE_UPSTREAM": backend, "DASHBOARD_UPSTREAM": backend,
	}
	run(t, s.proxy, environ.List(), os.Args[0], "run")
	s.makeCertificate()
	return s
}

// seen is what a request looked like when it arrived.
type seen struct {
	On, URI, Host string
	Header        http.Header
	Bytes         int64
}

func standIn(t *testing.T, name string) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived := seen{On: name, URI: r.RequestURI, Host: r.Host, Header: r.Header}
		switch {
		case r.Header.Get("Upgrade") != "":
			socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
			if err != nil {
				return
			}
			defer func() { _ = socket.CloseNow() }()
			text, _ := json.Marshal(arrived)
			_ = socket.Write(r.Context(), websocket.MessageText, text)
			_, _, _ = socket.Read(r.Context())
		case r.URL.Path == "/redirect":
			http.Redirect(w, r, "/login", http.StatusFound)
		default:
			arrived.Bytes, _ = io.Copy(io.Discard, r.Body)
			_ = json.NewEncoder(w).Encode(arrived)
		}
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// makeCertificate writes a certificate that only the visitor trusts.
func (s *site) makeCertificate() {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: siteName}, DNSNames: []string{siteName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	s.must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	s.must(err)
	folder := s.t.TempDir()
	s.certificate, s.key = filepath.Join(folder, "site.crt"), filepath.Join(folder, "site.key")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.must(os.WriteFile(s.certificate, certificate, 0o600))
	s.must(os.WriteFile(s.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(certificate)
}

// visitor reaches the site at the terminator's address and follows no redirect.
func (s *site) visitor(terminator string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(visitorAddress)}}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, terminator)
		},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

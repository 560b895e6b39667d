package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/stack"
)

var lateDNS = flag.Duration("late-dns", 0, "`time` after which the site's name begins to resolve for the ACME authority")

const bindingID = "kid-1"

// bindingKey is the key of an external account binding, as an authority gives it out.
var bindingKey = base64.RawURLEncoding.EncodeToString([]byte("a key of thirty-two bytes for it"))

// authority is Let's Encrypt's own test authority, Pebble, with all of the
// protocol and real validations.
type authority struct {
	dns   *upstreamstest.DNS
	roots *x509.CertPool // of the certificates that it issues
	env   config.Environ // what a proxy has to be told
}

func startAuthority(t *testing.T, env config.Environ, bound bool) *authority {
	t.Helper()
	port := func(variable string) int {
		number, err := strconv.Atoi(env[variable])
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	a := &authority{dns: upstreamstest.NewDNS(t), roots: x509.NewCertPool()}
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuing := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 7776000}})
	validating := va.New(quiet, port("HTTP_PORT"), port("HTTPS_PORT"), false, a.dns.Addr(), store)
	if bound {
		if err := store.AddExternalAccountKeyByID(bindingID, bindingKey); err != nil {
			t.Fatal(err)
		}
	}
	front := wfe.New(quiet, store, validating, issuing, []string{"pebble.test"}, false, bound, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	a.roots.AddCert(issuing.GetRootCert(0).Cert)
	root := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	a.env = config.Environ{"TLS_MODE": stack.TLSLetsEncrypt, "ACME_DIRECTORY": server.URL + wfe.DirectoryPath, "ACME_CA_ROOT": root}
	return a
}

// A certificate is there about a minute after the name begins to resolve.
func TestCertificateFromAnAuthority(t *testing.T) {
	for name, bound := range map[string]bool{"open to everyone": false, "with accounts of its own": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environ(t, nil)
			a := startAuthority(t, env, bound)
			for variable, value := range a.env {
				env[variable] = value
			}
			if bound {
				env["ACME_EAB_KEY_ID"], env["ACME_EAB_HMAC_KEY"] = bindingID, bindingKey
			}
			if *lateDNS == 0 {
				a.dns.Set(siteName, "127.0.0.1")
			}
			p := spawn(t, env, "run")
			p.Expect("proxy ready")
			if *lateDNS > 0 {
				p.Expect("certificate not issued yet")
				<-time.After(*lateDNS)
				a.dns.Set(siteName, "127.0.0.1")
			}
			resolves := time.Now()
			certificate := p.awaitCertificate(a.roots, 75*time.Second)
			t.Logf("a certificate after %v", time.Since(resolves).Round(time.Millisecond))
			if got := certificate.DNSNames; len(got) != 1 || got[0] != siteName {
				t.Errorf("it is for %v", got)
			}
			if p.Says(bindingKey) {
				t.Error("the key is in the log")
			}
		})
	}
}

func TestAWrongAccountKeyIsExplained(t *testing.T) {
	t.Parallel()
	env := environ(t, nil)
	a := startAuthority(t, env, true)
	a.dns.Set(siteName, "127.0.0.1")
	for variable, value := range a.env {
		env[variable] = value
	}
	env["ACME_EAB_KEY_ID"], env["ACME_EAB_HMAC_KEY"] = bindingID, base64.RawURLEncoding.EncodeToString([]byte("another key, of thirty-two bytes"))
	p := spawn(t, env, "run")
	p.Expect("certificate not issued yet")
	if said := p.Output.String(); !strings.Contains(said, "next_attempt=") || strings.Contains(said, env["ACME_EAB_HMAC_KEY"]) {
		t.Errorf("it said:\n%s", said)
	}
}

// awaitCertificate greets the site until its certificate is one of the roots'.
func (p *process) awaitCertificate(roots *x509.CertPool, limit time.Duration) *x509.Certificate {
	p.Helper()
	return p.awaitCertificateFor(siteName, roots, limit)
}

func (p *process) awaitCertificateFor(name string, roots *x509.CertPool, limit time.Duration) *x509.Certificate {
	p.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPSPort))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; <-tick.C {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: name})
		if err == nil {
			defer func() { _ = conn.Close() }()
			return conn.ConnectionState().PeerCertificates[0]
		}
		if time.Now().After(deadline) {
			p.Fatalf("no certificate after %v: %v", limit, err)
		}
	}
}

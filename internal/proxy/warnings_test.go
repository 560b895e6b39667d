package proxy

import (
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What makes a healthy proxy of no use to its visitors is in its log, with the setting
// that may be wrong.
func TestWhatAnOperatorReadsInTheLog(t *testing.T) {
	for name, tt := range map[string]struct {
		env  config.Environ
		make func(p *process)
		want []string
	}{
		"a terminator that is not trusted": {
			make: func(p *process) { p.get("/", http.Header{"X-Forwarded-For": {"198.51.100.7"}}) },
			want: []string{"WARN  X-Forwarded-For ignored", "proxy=127.0.0.1", "TRUSTED_PROXIES=127.0.0.1"},
		},
		"a gateway that keeps its domain out of Host": {
			env:  config.Environ{"TLS_MODE": stack.TLSExternal},
			make: func(p *process) { p.get("/", http.Header{"X-Forwarded-Host": {"customer.example"}}) },
			want: []string{"WARN  X-Forwarded-Host ignored", "value=customer.example", "proxy=127.0.0.1", "TLS_MODE=external"},
		},
		"the PROXY protocol": {
			make: func(p *process) { p.sendTo(t, "HTTPS_PORT", "PROXY TCP4 10.0.0.1 10.0.0.2 1234 443\r\n") },
			want: []string{"WARN  a load balancer speaks the PROXY protocol", "peer=127.0.0.1:", "TLS_MODE=external"},
		},
		"the PROXY protocol, version 2": {
			make: func(p *process) { p.sendTo(t, "HTTP_PORT", "\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c") },
			want: []string{"WARN  a load balancer speaks the PROXY protocol", "send-proxy"},
		},
		"TLS on the plain port": {
			env:  config.Environ{"TLS_MODE": stack.TLSExternal},
			make: func(p *process) { p.sendTo(t, "HTTP_PORT", "\x16\x03\x01\x00\x05hello") },
			want: []string{"WARN  TLS comes to the port for plain HTTP", "speak http:// to this port"},
		},
		"a terminator before the port that redirects": {
			make: func(p *process) {
				p.sendTo(t, "HTTP_PORT", "GET / HTTP/1.1\r\nHost: site.test\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n")
			},
			want: []string{"WARN  a TLS terminator sends its requests to the port that redirects to https", "proxy=127.0.0.1", "TLS_MODE=external"},
		},
		"one address for two upstreams": {
			env:  config.Environ{"PLATFORM_UPSTREAM": "127.0.0.1:9", "CONVEX_UPSTREAM": "127.0.0.1:9"},
			want: []string{"WARN  requests for the backend go to the web application", "address=127.0.0.1:9"},
		},
		"a path outside of the base path": {
			env:  config.Environ{"BASE_PATH": "/wrong"},
			make: func(p *process) { p.get("/", nil) },
			want: []string{"status=404", "the site is served below /wrong/ only (BASE_PATH)"},
		},
		"an unknown name": {
			env:  config.Environ{"HOST": "alias.test"},
			make: func(p *process) { p.get("/", http.Header{"Host": {"other.test"}}) },
			want: []string{"status=421", "host=other.test", "SITE_URL, HOST and EXTRA_SITES name site.test, alias.test"},
		},
		"an upstream without an address": {
			env:  config.Environ{"PLATFORM_UPSTREAM": "nowhere.invalid:3000"},
			want: []string{"WARN  upstream not available yet", "no container of this network has that name", "check=PLATFORM_UPSTREAM"},
		},
		"an upstream where nothing listens": {
			env:  config.Environ{"CONVEX_UPSTREAM": testkit.FreeAddress(t)},
			want: []string{"WARN  upstream not available yet", "refused", "check=CONVEX_UPSTREAM"},
		},
		"an upstream that speaks no HTTP": {
			env:  config.Environ{"PLATFORM_UPSTREAM": garbage(t)},
			want: []string{"WARN  upstream not available yet", "it does not speak HTTP: malformed HTTP", "check=PLATFORM_UPSTREAM"},
		},
		"an upstream that speaks TLS": {
			env:  config.Environ{"PLATFORM_UPSTREAM": tlsOnly(t)},
			want: []string{"WARN  upstream not available yet", "it speaks TLS, and upstreams are asked in plain HTTP", "check=PLATFORM_UPSTREAM"},
		},
		"an upstream that hangs": {
			env:  config.Environ{"PLATFORM_UPSTREAM": testkit.Listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })},
			want: []string{"WARN  upstream not available yet", "it accepts connections and does not answer", "check=PLATFORM_UPSTREAM"},
		},
		"an upstream that redirects": {
			env:  config.Environ{"PLATFORM_UPSTREAM": serve(t, http.RedirectHandler("https://elsewhere.test/login?token=x", http.StatusPermanentRedirect))},
			want: []string{"WARN  upstream not available yet", "status 308: redirects to https://elsewhere.test\"", "check=PLATFORM_UPSTREAM"},
		},
		"a name server that hangs": {
			env:  config.Environ{"PLATFORM_UPSTREAM": "platform:3000", "UPSTREAM_RESOLVER": silentUDP(t)},
			want: []string{"WARN  upstream not available yet", "the name server did not answer in time about platform", "check=UPSTREAM_RESOLVER"},
		},
		"an authority that is none": {
			env:  config.Environ{"TLS_MODE": stack.TLSLetsEncrypt, "ACME_DIRECTORY": "http://" + serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html></html>") }))},
			want: []string{"WARN  certificate not issued yet: until it is, no visitor can connect", "what answers there is no ACME directory", "check ACME_DIRECTORY"},
		},
		"an upstream of another protocol": {
			env:  config.Environ{"PLATFORM_UPSTREAM": serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) }))},
			want: []string{"WARN  upstream not available yet", "switched protocols without being asked", "check=PLATFORM_UPSTREAM"},
		},
		"HOST apart from SITE_URL": {
			env:  config.Environ{"HOST": "localhost", "SITE_URL": "https://site.invalid"},
			want: []string{"WARN  containers cannot reach the site by SITE_URL", "HOST is localhost, but SITE_URL has site.invalid", "make HOST that of SITE_URL: site.invalid"},
		},
		"an authority that is away": {
			env:  config.Environ{"TLS_MODE": stack.TLSLetsEncrypt, "ACME_DIRECTORY": "https://" + testkit.FreeAddress(t) + "/directory"},
			want: []string{"WARN  certificate not issued yet: until it is, no visitor can connect", "cannot be reached: connection refused", "check ACME_DIRECTORY", "next_attempt=", "authority=https://127.0.0.1:"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := spawnReady(t, environ(t, tt.env))
			if tt.make != nil {
				tt.make(p)
			}
			for _, want := range tt.want {
				testkit.Eventually(t, want, func() bool { return p.Says(want) })
			}
			if strings.Contains(tt.want[0], "WARN") && strings.Count(p.Output.String(), tt.want[0]) != 1 {
				t.Errorf("more than once:\n%s", p.Output.String())
			}
		})
	}
}

// garbage starts an upstream that answers every connection with something else than HTTP.
func garbage(t *testing.T) (address string) {
	t.Helper()
	return testkit.Listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
	})
}

// tlsOnly starts an upstream that answers plain HTTP as a TLS server does.
func tlsOnly(t *testing.T) (address string) {
	t.Helper()
	return testkit.Listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = io.WriteString(conn, "\x15\x03\x01\x00\x02\x02\x46") // an alert: unexpected message
	})
}

// silentUDP returns the address of a name server that answers nothing.
func silentUDP(t *testing.T) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.LocalAddr().String()
}

// The folder for the root certificate belongs to somebody else: the site works, and
// functions do not trust it.
func TestARootCertificateThatIsNotHandedOut(t *testing.T) {
	t.Parallel()
	folder := t.TempDir() + "/file"
	if err := os.WriteFile(folder, nil, 0o600); err != nil { // root may write into any folder
		t.Fatal(err)
	}
	p := spawnReady(t, environ(t, config.Environ{"PROXY_CA_EXPORT_DIR": folder}))
	p.Expect("WARN  functions will not trust the site")
	p.Expect("chown 0:0")
	if code := p.Stop(20 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// sendTo sends a text to the port of a setting, and waits for the end of the connection or of
// the first answer.
func (p *process) sendTo(t *testing.T, setting, text string) {
	t.Helper()
	port := map[string]int{"HTTP_PORT": p.settings.HTTPPort, "HTTPS_PORT": p.settings.HTTPSPort}[setting]
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, text)
	_, _ = conn.Read(make([]byte, 1))
}

// Two proxies with one data folder both serve, and the second one says so.
func TestTwoProxiesWithOneDataFolder(t *testing.T) {
	t.Parallel()
	first := environ(t, nil)
	spawnReady(t, first)
	second := environ(t, config.Environ{"PROXY_DATA_DIR": first["PROXY_DATA_DIR"]})
	spawnReady(t, second).Expect("WARN  another proxy uses this data folder: the two share its certificates")
}

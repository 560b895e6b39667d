package proxy

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	siteName  = "site.test"
	testToken = "to\"k{e}n`*"
)

// seen is what an upstream got.
type seen struct {
	On     string
	Method string
	URI    string
	Host   string
	Header http.Header
	Bytes  int64
}

// echo starts an upstream that answers with what it got, unless do answers.
func echo(t *testing.T, name string, do http.HandlerFunc) (address string) {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if do != nil && r.Header.Get("X-Do") != "" {
			do(w, r)
			return
		}
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			echoSocket(w, r, name)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(seen{On: name, Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header, Bytes: n})
	}))
}

// serve starts an upstream.
func serve(t *testing.T, handler http.Handler) (address string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// echoSocket accepts any upgrade, says what it got in a header, and echoes bytes.
func echoSocket(w http.ResponseWriter, r *http.Request, name string) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	digest := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) // RFC 6455, section 1.3
	_, _ = fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nX-Seen: %s %s\r\nX-Extensions: %s\r\nX-Told: %s %s %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(digest[:]), name, r.RequestURI, r.Header.Get("Sec-WebSocket-Extensions"),
		r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Real-Ip"), r.Header.Get("X-Forwarded-For"))
	_ = rw.Flush()
	_, _ = io.Copy(conn, rw)
}

// running is a proxy in this process with an upstream of each kind.
type running struct {
	*testing.T
	settings *Settings
	roots    *x509.CertPool
	client   *http.Client
}

// environ returns a complete environment: free ports, and an echo for each upstream.
func environ(t *testing.T, overrides config.Environ) config.Environ {
	t.Helper()
	env := config.Environ{
		"SITE_URL":                 "https://" + siteName,
		"PROXY_BIND_ADDRESS":       "127.0.0.1",
		"HTTP_PORT":                testkit.FreePort(t),
		"HTTPS_PORT":               testkit.FreePort(t),
		"PROXY_HEALTH_ADDR":        "127.0.0.1:" + testkit.FreePort(t),
		"PROXY_DATA_DIR":           t.TempDir(),
		"PROXY_SITE_DIR":           "",
		"METRICS_BEARER_TOKEN":     testToken,
		"SHUTDOWN_GRACE_SECONDS":   "1",
		"CONVEX_UPSTREAM":          "",
		"CONVEX_SITE_UPSTREAM":     "",
		"DASHBOARD_UPSTREAM":       "",
		"PLATFORM_UPSTREAM":        "",
		"METRICS_CRAWLER_UPSTREAM": "", "METRICS_RAG_UPSTREAM": "", "METRICS_OPERATOR_UPSTREAM": "",
	}
	maps.Copy(env, overrides)
	for variable, name := range map[string]routes.Upstream{
		"CONVEX_UPSTREAM": routes.Backend, "CONVEX_SITE_UPSTREAM": routes.SitePort, "DASHBOARD_UPSTREAM": routes.Dashboard, "PLATFORM_UPSTREAM": routes.Platform,
		"METRICS_CRAWLER_UPSTREAM": routes.Crawler, "METRICS_RAG_UPSTREAM": routes.RAG, "METRICS_OPERATOR_UPSTREAM": routes.Operator,
	} {
		if env[variable] == "" {
			env[variable] = echo(t, string(name), nil)
		}
	}
	return env
}

func load(t *testing.T, env config.Environ) *Settings {
	t.Helper()
	s := &Settings{}
	if err := config.Load(s, env); err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a proxy until the end of the test. Caddy is one per process, so
// tests that call it cannot be parallel.
func start(t *testing.T, overrides config.Environ) *running {
	t.Helper()
	return startEdited(t, overrides, func(*caddy.Config) {})
}

// startEdited starts with a last word on the configuration.
func startEdited(t *testing.T, overrides config.Environ, edit func(*caddy.Config)) *running {
	t.Helper()
	p := &running{T: t, settings: load(t, environ(t, overrides))}
	cfg, err := caddyConfig(p.settings)
	if err != nil {
		t.Fatal(err)
	}
	edit(cfg)
	handOver(p.settings, nil)
	_, _, _ = caddy.BufferedLog()
	if err := caddy.Run(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	if p.settings.TLSMode == stack.TLSSelfSigned {
		if err := awaitAuthority(t.Context(), p.settings, logging.Discard()); err != nil {
			t.Fatal(err)
		}
		root, err := readRoot(p.settings)
		if err != nil {
			t.Fatal(err)
		}
		p.roots = x509.NewCertPool()
		p.roots.AppendCertsFromPEM(root)
	}
	p.client = p.newClient()
	return p
}

// replaceInHTTP edits the text of the HTTP app; what it replaces must be there.
func replaceInHTTP(t *testing.T, cfg *caddy.Config, was, is string) {
	t.Helper()
	text := string(cfg.AppsRaw["http"])
	if !strings.Contains(text, was) {
		t.Fatalf("%s is not in the configuration", was)
	}
	cfg.AppsRaw["http"] = []byte(strings.ReplaceAll(text, was, is))
}

// newClient connects to the proxy whatever the URL's host is, follows no redirect
// and trusts the proxy's own authority only.
func (p *running) newClient() *http.Client {
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: p.roots},
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			port := p.settings.HTTPSPort
			if strings.HasSuffix(address, ":80") || p.settings.TLSMode == stack.TLSExternal {
				port = p.settings.HTTPPort
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		},
	}
	p.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (p *running) base() string {
	if p.settings.TLSMode == stack.TLSExternal {
		return "http://" + siteName
	}
	return "https://" + siteName
}

// send makes one request; the target is sent as it is written, byte for byte.
func (p *running) send(method, target string, header http.Header, body io.Reader) *http.Response {
	p.Helper()
	request, err := http.NewRequestWithContext(p.Context(), method, p.base(), body)
	if err != nil {
		p.Fatal(err)
	}
	maps.Copy(request.Header, header)
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	request.URL.Opaque = target
	if !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") {
		p.Fatalf("use raw for the target %q", target)
	}
	response, err := p.client.Do(request)
	if err != nil {
		p.Fatalf("%s %s: %v", method, target, err)
	}
	p.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func (p *running) get(target string, header http.Header) *http.Response {
	p.Helper()
	return p.send(http.MethodGet, target, header, nil)
}

// raw writes the text of a request to a connection of its own and reads one
// answer. The text's lines end in \n.
func (p *running) raw(request string) *http.Response {
	p.Helper()
	conn := p.dial(nil)
	if _, err := io.WriteString(conn, strings.ReplaceAll(request, "\n", "\r\n")); err != nil {
		p.Fatal(err)
	}
	return readResponse(p.T, conn)
}

// dial opens a connection to the site's port, with TLS where it has that.
func (p *running) dial(config *tls.Config) net.Conn {
	p.Helper()
	port := p.settings.HTTPPort
	if p.settings.TLSMode != stack.TLSExternal {
		port = p.settings.HTTPSPort
	}
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if p.settings.TLSMode == stack.TLSExternal {
		return conn
	}
	if config == nil {
		config = &tls.Config{RootCAs: p.roots, ServerName: siteName}
	}
	secure := tls.Client(conn, config)
	if err := secure.Handshake(); err != nil {
		p.Fatal(err)
	}
	return secure
}

// text reads the whole body.
func text(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// echoed reads what the upstream saw; a proxy's own answer has no On.
func echoed(t *testing.T, response *http.Response) seen {
	t.Helper()
	var s seen
	_ = json.Unmarshal([]byte(text(t, response)), &s)
	return s
}

// zeros returns a reader of n bytes that needs no memory.
func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

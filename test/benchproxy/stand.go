package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/freeport"
	"github.com/tale-project/tale-runtime/test/builtapp"
)

const (
	stock = "stock Caddy"
	nginx = "nginx"
	ours  = "ours"
)

// contenders are in the order in which they are shown.
var contenders = []string{stock, nginx, ours}

// stand is where the contenders run: the upstreams, and each contender on a port.
type stand struct {
	o       options
	work    string
	env     []string // of the contenders: the upstreams' addresses
	ports   map[string]string
	servers map[string]*process
	others  []*process
	answers string // address of the upstream that is measured
	health  string // address of our own metrics
	app     builtapp.App
}

// newStand starts the upstreams: nginx with static answers for what is measured
// by the thousand, and our own stand-in for the backend.
func newStand(ctx context.Context, o options) (*stand, error) {
	work, err := os.MkdirTemp(os.Getenv("TMPDIR"), "tale-bench-")
	if err != nil {
		return nil, err
	}
	s := &stand{o: o, work: work, ports: map[string]string{}, servers: map[string]*process{}}
	if err := s.startUpstreams(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stand) startUpstreams(ctx context.Context) error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	answers, backend, site := "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1], "127.0.0.1:"+ports[2]
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.work, "TMPDIR=" + os.TempDir(), "BASE_PATH=", "METRICS_BEARER_TOKEN=bench",
		"PLATFORM_UPSTREAM=" + answers, "CONVEX_UPSTREAM=" + backend, "CONVEX_SITE_UPSTREAM=" + site, "DASHBOARD_UPSTREAM=" + backend,
		"METRICS_CRAWLER_UPSTREAM=" + backend, "METRICS_RAG_UPSTREAM=" + backend, "METRICS_OPERATOR_UPSTREAM=" + backend,
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := start(ctx, "upstream", s.env, self, "upstream", "--backend", backend, "--site", site)
	if err != nil {
		return err
	}
	s.others = append(s.others, p)
	if err := s.startAnswers(ctx, answers); err != nil {
		return err
	}
	return errors.Join(awaitPort(ctx, backend), awaitPort(ctx, answers))
}

// compared starts all contenders, one request each.
func (s *stand) compared(ctx context.Context) error {
	for _, name := range contenders {
		if err := s.startContender(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *stand) startContender(ctx context.Context, name string) error {
	port, err := freeport.Find()
	if err != nil {
		return err
	}
	s.ports[name] = strconv.Itoa(port)
	start := map[string]func(context.Context, string) (*process, error){stock: s.startStock, nginx: s.startNginx, ours: s.startOurs}[name]
	p, err := start(ctx, s.ports[name])
	if err != nil {
		return err
	}
	s.servers[name] = p
	if err := s.awaitAnswer(ctx, name); err != nil {
		return fmt.Errorf("%w\n%s", err, p.output.String())
	}
	return nil
}

// url returns where a contender serves. The name is that of every certificate.
func (s *stand) url(name string) string { return "https://" + s.host(name) }

func (s *stand) host(name string) string { return "localhost:" + s.ports[name] }

func (s *stand) startOurs(ctx context.Context, port string) (*process, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	s.health = "127.0.0.1:" + ports[1]
	data := filepath.Join(s.work, "ours")
	if err := os.Mkdir(data, 0o755); err != nil {
		return nil, err
	}
	env := append(slices.Clone(s.env),
		"SITE_URL=https://localhost:"+port, "HTTPS_PORT="+port, "HTTP_PORT="+ports[0], "PROXY_BIND_ADDRESS=127.0.0.1",
		"PROXY_HEALTH_ADDR="+s.health, "PROXY_DATA_DIR="+data, "PROXY_SITE_DIR=", "VISITOR_CONNECTIONS=0")
	return start(ctx, ours, env, s.o.program("proxy"))
}

// startStock runs the classic routes on stock Caddy, with TLS and with the access
// log on the console, as it ships.
func (s *stand) startStock(ctx context.Context, port string) (*process, error) {
	text, err := os.ReadFile(s.o.classic)
	if err != nil {
		return nil, err
	}
	const opening = "http://:{$CLASSIC_PORT} {"
	_, routes, found := strings.Cut(string(text), opening)
	if !found {
		return nil, fmt.Errorf("cannot use %s: it has no line %q", s.o.classic, opening)
	}
	site := "{\n\tadmin off\n\tpersist_config off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tdefault_sni localhost\n" +
		"\thttps_port {$CLASSIC_PORT}\n\tstorage file_system {$CLASSIC_DATA}\n}\n\n" +
		"https://localhost:{$CLASSIC_PORT} {\n\ttls internal\n\tlog {\n\t\toutput stdout\n\t\tformat console\n\t}" + routes
	path, data := filepath.Join(s.work, "classic.caddyfile"), filepath.Join(s.work, "stock")
	if err := os.WriteFile(path, []byte(site), 0o600); err != nil {
		return nil, err
	}
	env := append(slices.Clone(s.env), "CLASSIC_PORT="+port, "CLASSIC_DATA="+data, "CLASSIC_STRIP=", "XDG_DATA_HOME="+data, "XDG_CONFIG_HOME="+data)
	return start(ctx, stock, env, s.o.program("caddy-stock"), "run", "--config", path, "--adapter", "caddyfile")
}

// forgetData makes our own proxy start afresh.
func (s *stand) forgetData() { _ = os.RemoveAll(filepath.Join(s.work, "ours")) }

func (s *stand) close() {
	for _, p := range s.servers {
		p.stop()
	}
	for _, p := range s.others {
		p.stop()
	}
	_ = os.RemoveAll(s.work)
}

// client returns a visitor who trusts every certificate.
func (s *stand) client() *http.Client {
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}, //nolint:gosec // a server of our own, on loopback
		MaxIdleConnsPerHost: 1000,
		DialContext:         dialLoopback,
	}
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// dialLoopback goes to IPv4, where the contenders listen.
func dialLoopback(ctx context.Context, _, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
}

func (s *stand) awaitAnswer(ctx context.Context, name string) error {
	client := s.client()
	defer client.CloseIdleConnections()
	return await(ctx, name+" does not answer", func(ctx context.Context) error {
		response, err := get(ctx, client, s.url(name)+"/small")
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		return nil
	})
}

func get(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(request)
}

func awaitPort(ctx context.Context, address string) error {
	return await(ctx, "nothing listens on "+address, func(ctx context.Context) error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// await polls a fact for half a minute.
func await(ctx context.Context, not string, fact func(context.Context) error) error {
	return awaitFor(ctx, 30*time.Second, not, fact)
}

func awaitFor(ctx context.Context, patience time.Duration, not string, fact func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		err := fact(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", not, err)
		case <-retry.C:
		}
	}
}

func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		port, err := freeport.Find()
		if err != nil {
			return nil, err
		}
		ports = append(ports, strconv.Itoa(port))
	}
	return ports, nil
}

package tunnel

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/accesslog"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
)

// proxyProcess is set in the process that is measured: this test binary, started
// again, as a proxy and nothing else.
const (
	proxyProcess = "TALE_TEST_TUNNEL_PROXY" // tunnel or stock
	proxyTarget  = "TALE_TEST_TUNNEL_TARGET"
)

// TestProxyProcess is that process. It says where it listens, and runs until its
// standard input ends.
func TestProxyProcess(t *testing.T) {
	kind := os.Getenv(proxyProcess)
	if kind == "" {
		return
	}
	proxy := caddytest.Handler("reverse_proxy", reverseproxy.Handler{Upstreams: reverseproxy.UpstreamPool{{Dial: os.Getenv(proxyTarget)}}})
	handlers := caddytest.Handle(proxy)
	if kind == "tunnel" {
		log := caddytest.Handler("tale_access_log", accesslog.Handler{}) // it must not hold on to what it wraps
		handlers = caddytest.Handle(log, caddytest.Handler("tale_tunnel", Handler{UpstreamsRaw: staticUpstream(os.Getenv(proxyTarget))}), proxy)
	}
	addr, id := caddytest.RunTLS(t, &caddyhttp.Server{Routes: caddyhttp.RouteList{handlers}})
	fmt.Printf("%s\n%s\n", addr, id.PEM())
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		fmt.Println(liveMemory())
	}
}

// liveMemory returns what this process needs at the least: live objects and stacks.
func liveMemory() uint64 {
	runtime.GC()
	runtime.GC() // the first one only finds what the second one frees
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// proxy is a running proxy process.
type proxy struct {
	addr   string
	config *tls.Config
	pid    int
	stdin  io.Writer
	stdout *bufio.Reader
}

func startProxy(t testing.TB, kind, target string) *proxy {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestProxyProcess$")
	cmd.Env = append(os.Environ(), proxyProcess+"="+kind, proxyTarget+"="+target)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	addr, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("the proxy process says nothing: %v", err)
	}
	roots := x509.NewCertPool()
	var certificate strings.Builder
	for line := ""; line != "\n"; certificate.WriteString(line) {
		if line, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	roots.AppendCertsFromPEM([]byte(certificate.String()))
	t.Cleanup(func() {
		_ = stdin.Close()
		_, _ = io.Copy(io.Discard, lines)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the proxy process: %v", err)
		}
	})
	return &proxy{
		addr:   strings.TrimSpace(addr),
		config: &tls.Config{RootCAs: roots, ServerName: "localhost"},
		pid:    cmd.Process.Pid,
		stdin:  stdin,
		stdout: lines,
	}
}

// live returns liveMemory of the proxy.
func (p *proxy) live(t testing.TB) int {
	t.Helper()
	if _, err := io.WriteString(p.stdin, "memory\n"); err != nil {
		t.Fatal(err)
	}
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rss returns the resident memory of the proxy in bytes.
func (p *proxy) rss(t testing.TB) int {
	t.Helper()
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel does not say how much memory the proxy has")
	return 0
}

// silentUpstream accepts every handshake and holds the socket.
func silentUpstream(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var held []net.Conn
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, conn)
			mu.Unlock()
			if _, err := http.ReadRequest(bufio.NewReaderSize(conn, 1024)); err != nil {
				continue
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		done.Wait()
		for _, conn := range held {
			_ = conn.Close()
		}
	})
	return listener.Addr().String()
}

// open opens n idle sockets through the proxy, like a browser would.
func (p *proxy) open(t testing.TB, n int) {
	t.Helper()
	conns := make([]net.Conn, n)
	errs := make(chan error, n)
	var workers sync.WaitGroup
	next := make(chan int)
	for range 16 {
		workers.Go(func() {
			for i := range next {
				conn, err := p.handshake()
				conns[i] = conn
				errs <- err
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	t.Cleanup(func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	})
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

const browserHandshake = "GET /api/1.35.1/sync HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nPragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\nOrigin: https://localhost\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func (p *proxy) handshake() (net.Conn, error) {
	conn, err := tls.Dial("tcp", p.addr, p.config)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, browserHandshake); err != nil {
		return conn, err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
	if err != nil {
		return conn, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return conn, errors.New(res.Status)
	}
	return conn, nil
}

// perSocket returns what n idle TLS sockets cost the proxy by a measure, each.
func perSocket(t testing.TB, kind string, n int, measure func(*proxy, testing.TB) int) int {
	t.Helper()
	p := startProxy(t, kind, silentUpstream(t))
	p.open(t, 10) // what the first sockets cost is not what sockets cost
	before := measure(p, t)
	p.open(t, n)
	return (measure(p, t) - before) / n
}

// The collector lets the heap grow to twice what is live, and RSS with it. So
// this is the bound of 64 KiB RSS per socket, in a form that the race detector
// (which multiplies RSS) does not disturb.
func TestIdleSocketsAreCheap(t *testing.T) {
	const most = 30 << 10
	got := perSocket(t, "tunnel", 100, (*proxy).live)
	t.Logf("%.1f KiB live per idle TLS socket", float64(got)/1024)
	if got > most {
		t.Errorf("%d bytes live per idle TLS socket, want at most %d", got, most)
	}
}

// BenchmarkIdleSockets prints the memory of b.N idle sockets, next to that of
// Caddy's reverse proxy:
//
//	go test -run '^$' -bench IdleSockets -benchtime 5000x
func BenchmarkIdleSockets(b *testing.B) {
	for _, kind := range []string{"tunnel", "stock"} {
		b.Run(kind, func(b *testing.B) {
			b.ReportMetric(float64(perSocket(b, kind, b.N, (*proxy).rss))/1024, "KiB/socket")
		})
	}
}

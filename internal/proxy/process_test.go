package proxy

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/proxy/proxytest"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// caddyRole is the proxy called by the name of Caddy.
const caddyRole = "caddy"

func TestMain(m *testing.M) {
	play := func(name string) func() int {
		return func() int { return Main(append([]string{name}, os.Args[1:]...)) }
	}
	os.Exit(testkit.Main(m, map[string]func() int{proxytest.Role: play("proxy"), caddyRole: play("caddy")}))
}

// process is a proxy in a process of its own.
type process struct {
	running
	*testkit.Process
}

// spawn runs a command of the proxy to its end, or until the test's end. Tests
// that run their proxies only this way can be parallel.
func spawn(t *testing.T, env config.Environ, args ...string) *process {
	t.Helper()
	p := spawnUnchecked(t, env, args...)
	p.settings = load(t, env)
	return p
}

// spawnUnchecked takes settings that need not be right.
func spawnUnchecked(t *testing.T, env config.Environ, args ...string) *process {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = append([]string{testkit.RoleVariable + "=" + proxytest.Role, "PATH=" + os.Getenv("PATH")}, env.List()...)
	return &process{running: running{T: t}, Process: testkit.Start(t, command)}
}

// spawnReady runs a proxy and returns when it says that it is ready.
func spawnReady(t *testing.T, env config.Environ) *process {
	t.Helper()
	p := spawn(t, env, "run")
	p.Expect("proxy ready")
	if p.settings.TLSMode == stack.TLSSelfSigned {
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

func TestNothingIsWrittenOutsideOfTheDataFolder(t *testing.T) {
	work := t.TempDir()
	t.Chdir(work) // where Caddy keeps its files when there is no home
	for _, mode := range []string{stack.TLSSelfSigned, stack.TLSExternal} {
		env := environ(t, config.Environ{"TLS_MODE": mode})
		p := spawnReady(t, env)
		p.Signal(syscall.SIGTERM)
		if code := p.WaitWithin(10 * time.Second); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if entries, _ := os.ReadDir(work); len(entries) > 0 {
			t.Errorf("%s left %v", mode, entries)
		}
		entries, _ := os.ReadDir(p.settings.DataDir)
		if mode == stack.TLSExternal && (len(entries) != 1 || entries[0].Name() != "assets") {
			t.Errorf("%s left %v in the data folder", mode, entries)
		}
	}
}

// awaitClosed returns when nothing listens on the site's port any more.
func (p *process) awaitClosed() {
	p.Helper()
	address := p.settings.ListenAddress(p.settings.HTTPSPort)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	p.Fatal("it goes on accepting connections")
}

func TestRunningRequestsFinishOnStop(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			arrived, release := make(chan struct{}), make(chan struct{})
			slow := func(w http.ResponseWriter, _ *http.Request) {
				close(arrived)
				<-release
				_, _ = io.WriteString(w, "finished")
			}
			p := spawnReady(t, environ(t, config.Environ{"PLATFORM_UPSTREAM": echo(t, "platform", slow), "SHUTDOWN_GRACE_SECONDS": "20"}))
			answer := make(chan string, 1)
			go func() {
				request, _ := http.NewRequestWithContext(t.Context(), "GET", p.base()+"/slow", nil)
				request.Header.Set("X-Do", "1")
				response, err := p.client.Do(request)
				if err != nil {
					answer <- err.Error()
					return
				}
				body, _ := io.ReadAll(response.Body)
				_ = response.Body.Close()
				answer <- string(body)
			}()
			<-arrived
			p.Signal(sig)
			p.awaitClosed()
			close(release)
			if got := <-answer; got != "finished" {
				t.Errorf("the running request got %q", got)
			}
			if code := p.WaitWithin(10 * time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestAnOpenEventStreamDoesNotHoldTheStop(t *testing.T) {
	t.Parallel()
	stream := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	p := spawnReady(t, environ(t, config.Environ{"PLATFORM_UPSTREAM": echo(t, "platform", stream)}))
	response := p.get("/events", http.Header{"X-Do": {"1"}})
	if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || line != "data: 1\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	stopped := time.Now()
	p.Signal(syscall.SIGTERM)
	if code := p.WaitWithin(10 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(stopped); took < time.Second || took > 5*time.Second {
		t.Errorf("it took %v with a grace period of 1s", took)
	}
}

func TestSocketsGetACloseFrameOnStop(t *testing.T) {
	t.Parallel()
	p := spawnReady(t, environ(t, nil))
	var readers []io.Reader
	for target := range socketRoutes {
		response, conn := p.upgrade(target, "websocket")
		if response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%s: %d", target, response.StatusCode)
		}
		readers = append(readers, conn)
	}
	p.saysGoodbye(readers)
}

// saysGoodbye stops the proxy, which must tell each of the sockets.
func (p *process) saysGoodbye(sockets []io.Reader) {
	p.Helper()
	p.Signal(syscall.SIGTERM)
	for _, socket := range sockets {
		frame := make([]byte, 4)
		if _, err := io.ReadFull(socket, frame); err != nil || !bytes.Equal(frame, []byte{0x88, 0x02, 0x03, 0xe9}) {
			p.Errorf("got % x, %v; want a close frame with status 1001", frame, err)
		}
	}
	if code := p.WaitWithin(10 * time.Second); code != 0 {
		p.Errorf("exit code %d", code)
	}
}

func TestASecondProcessOnTheSamePortsIsRefused(t *testing.T) {
	t.Parallel()
	env := environ(t, config.Environ{"HTTP3": "on"})
	spawnReady(t, env)
	second := spawn(t, env, "run")
	if code := second.WaitWithin(20 * time.Second); code != exit.Config {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"another process already", "HTTP_PORT", "HTTPS_PORT", "PROXY_HEALTH_ADDR", "/udp"} {
		if !second.Says(want) {
			t.Errorf("%q not in %s", want, second.Output.String())
		}
	}
}

// The check before the start can be outrun; the listeners themselves cannot.
func TestListenersDoNotSharePorts(t *testing.T) {
	p := start(t, nil)
	sharing := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		return conn.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, 15 /* SO_REUSEPORT */, 1) })
	}}
	for _, address := range []string{p.settings.ListenAddress(p.settings.HTTPPort), p.settings.ListenAddress(p.settings.HTTPSPort), p.settings.HealthAddr} {
		if second, err := sharing.Listen(t.Context(), "tcp", address); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a process that shares its ports got %s: %v, %v", address, second, err)
		}
	}
}

func TestAnUnwritableDataFolderIsExplained(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := spawn(t, environ(t, config.Environ{"PROXY_DATA_DIR": file}), "run")
	if code := p.WaitWithin(20 * time.Second); code != exit.NoPermission || !p.Says("PROXY_DATA_DIR") {
		t.Errorf("exit %d: %s", code, p.Output.String())
	}
}

// TestSecretsOfTheProcessAreNotLogged sends secrets where visitors and upstreams may
// put them, beside the places by which the access log knows secrets.
func TestSecretsOfTheProcessAreNotLogged(t *testing.T) {
	t.Parallel()
	token, other := "to/ken+"+rand.Text(), "sec/ret+"+rand.Text()
	broken := testkit.Listen(t, func(conn net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(conn))
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+other+"\r\n\r\n")
	})
	p := spawnReady(t, environ(t, config.Environ{
		"METRICS_BEARER_TOKEN": token, "SOME_SECRET": other, "TALE_LOG_FORMAT": "json", "METRICS_RAG_UPSTREAM": broken,
	}))
	for _, target := range []string{
		"/a/" + strings.ToLower(url.QueryEscape(token[:8])) + token[8:] + "/b",
		"/a?b=" + url.QueryEscape(other),
		"/" + strings.Repeat("x", 2<<10-10) + "/" + url.PathEscape(token), // where the log cuts
		"/metrics/rag",
	} {
		request, err := http.NewRequestWithContext(t.Context(), "GET", p.base()+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := p.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
	p.Stop(10 * time.Second)
	log := p.Output.String()
	for _, secret := range []string{token, other} {
		if strings.Contains(log, secret[8:14]) {
			t.Errorf("%q is shown in\n%s", secret, log)
		}
	}
	if strings.Count(log, "[METRICS_BEARER_TOKEN]") != 1 || strings.Count(log, "[SOME_SECRET]") < 2 {
		t.Errorf("got\n%s", log)
	}
}

package docs_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// wholeStack is the three binaries as real processes, with a simulated backend that
// has refused a push once and built indexes for the next.
type wholeStack struct {
	t       *testing.T
	metrics map[string]string // address of each service's /metrics
	site    string
}

func startStack(t *testing.T) *wholeStack {
	t.Helper()
	backend, actions, web := testkit.FreePort(t), testkit.FreePort(t), testkit.FreePort(t)
	convexStatus, platformStatus, site, health := loopback(testkit.FreePort(t)), testkit.FreePort(t), testkit.FreePort(t), loopback(testkit.FreePort(t))
	s := &wholeStack{t: t, site: "http://" + loopback(site), metrics: map[string]string{
		"convex": convexStatus, "platform": loopback(platformStatus), "proxy": health,
	}}
	both := config.Environ{
		"SITE_URL": "https://tale.example", "INSTANCE_SECRET": strings.Repeat("0123456789abcdef", 4),
		"CONVEX_STORAGE": "sqlite", "TLS_MODE": "external", "TALE_RUN_AS": "0:0",
	}
	s.start("convex", both, config.Environ{
		"STATUS_ADDR": convexStatus, "TALE_CONFIG_DIR": t.TempDir(), "CONVEX_BUILTIN_DIR": t.TempDir(),
		"CONVEX_INTERFACE": "127.0.0.1", "CONVEX_BACKEND_PORT": backend, "CONVEX_SITE_PROXY_PORT": actions,
		"CONVEX_BACKEND_COMMAND":   "env " + testkit.RoleVariable + "=backend " + os.Args[0] + " --fault stage=start_push,status=503,code=OptimisticConcurrencyControlFailure,message=busy,times=1 --fault stage=wait_for_schema,indexes=3,index-time=50ms",
		"CONVEX_DASHBOARD_COMMAND": "",
	})
	s.start("platform", both, config.Environ{
		"STATUS_ADDR": loopback(platformStatus), "PORT": web, "CONVEX_URL": "http://" + loopback(backend), "CONVEX_APP_DIR": t.TempDir(),
		"CONVEX_PUSH_REQUEST": pushtest.NewRequest().Write(t), "WEB_COMMAND": os.Args[0],
	})
	s.start("proxy", both, config.Environ{
		"HOST": "127.0.0.1", "PROXY_BIND_ADDRESS": "127.0.0.1", "HTTP_PORT": site, "HTTPS_PORT": testkit.FreePort(t), "PROXY_HEALTH_ADDR": health,
		"PROXY_DATA_DIR": t.TempDir(), "PROXY_SITE_DIR": "", "CONVEX_UPSTREAM": loopback(backend), "CONVEX_SITE_UPSTREAM": loopback(actions),
		"PLATFORM_UPSTREAM": loopback(web), "PLATFORM_HEALTH": ":" + platformStatus + "/readyz",
	})
	return s
}

// start runs the service until the test's end.
func (s *wholeStack) start(service string, environs ...config.Environ) {
	s.t.Helper()
	environ := config.Environ{
		"PATH": os.Getenv("PATH"), "HOME": s.t.TempDir(), testkit.RoleVariable: service, "GORACE": "atexit_sleep_ms=0", "TALE_RUN_DIR": s.t.TempDir(),
	}
	for _, more := range environs {
		maps.Copy(environ, more)
	}
	command := exec.Command(os.Args[0], "run")
	command.Env = environ.List()
	process := testkit.Start(s.t, command)
	s.t.Cleanup(func() {
		// SIGTERM twice: without drain, but with an end of the children.
		process.Signal(syscall.SIGTERM)
		process.Signal(syscall.SIGTERM)
		process.Wait()
	})
}

// use visits the site, so that there is something to measure.
func (s *wholeStack) use() {
	s.t.Helper()
	testkit.Eventually(s.t, "the page", func() bool {
		_, status := s.get(s.site + "/")
		return status == http.StatusOK
	})
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, s.site+"/ws_api/api/1.48.0/sync", nil) //nolint:bodyclose // it is the connection
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = socket.CloseNow() })
}

func (s *wholeStack) scrape(service string) string {
	s.t.Helper()
	text, status := s.get("http://" + s.metrics[service] + "/metrics")
	if status != http.StatusOK {
		s.t.Fatalf("/metrics of %s: %d", service, status)
	}
	return text
}

func (s *wholeStack) get(url string) (body string, status int) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", 0
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data), response.StatusCode
}

func loopback(port string) string { return "127.0.0.1:" + port }

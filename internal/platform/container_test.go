package platform

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/freeport"
	"github.com/tale-project/tale-runtime/internal/status"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	eventually   = 15 * time.Second
	testSecret   = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	testInstance = "tale_test"
)

// container is one run of the real entrypoint in a process of its own.
type container struct {
	t       *testing.T
	command *exec.Cmd
	output  testkit.Buffer
	runDir  string
	// reportPath is where the report stays when the process is gone.
	reportPath string
	addr       string // of the status port
	web        string // base URL of the web server
	exited     chan struct{}
}

// newSim starts a backend that takes testSecret.
func newSim(t *testing.T, faults ...convexsim.Fault) *convexsim.Server {
	t.Helper()
	return convexsim.Start(t, convexsim.Options{InstanceName: testInstance, InstanceSecret: testSecret, Faults: faults})
}

// environ is a complete environment of a container against a backend.
func environ(t *testing.T, convexURL string, changes ...string) config.Environ {
	t.Helper()
	runDir := t.TempDir()
	e := config.Environ{
		"PATH": os.Getenv("PATH"), "CONVEX_URL": convexURL, "INSTANCE_NAME": testInstance, "INSTANCE_SECRET": testSecret,
		"CONVEX_STORAGE": "sqlite", "SITE_URL": "https://tale.example", "TALE_RUN_DIR": runDir,
		"STATUS_ADDR": freeAddr(t), "PORT": portOf(t, freeAddr(t)), "CONVEX_APP_DIR": runDir,
		"CONVEX_PUSH_REQUEST": writeRequest(t), "WEB_COMMAND": os.Args[0], "SHUTDOWN_DRAIN_SECONDS": "300ms",
		"TALE_RUN_AS": "0:0", "GORACE": "atexit_sleep_ms=0", roleVariable: "entrypoint",
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		e[name] = value
	}
	return e
}

// start runs the entrypoint with the given arguments.
func start(t *testing.T, e config.Environ, args ...string) *container {
	t.Helper()
	c := &container{t: t, runDir: e["TALE_RUN_DIR"], addr: e["STATUS_ADDR"], web: "http://127.0.0.1:" + e["PORT"], exited: make(chan struct{})}
	c.reportPath = filepath.Join(c.runDir, "platform-report.json")
	c.command = exec.Command(os.Args[0], args...)
	c.command.Env = e.List()
	c.command.Stdout, c.command.Stderr = &c.output, &c.output
	c.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.exited)
		_ = c.command.Wait() // the exit code says it all
	}()
	t.Cleanup(func() {
		_ = c.command.Process.Kill()
		<-c.exited
		if t.Failed() {
			t.Logf("output of the entrypoint:\n%s", c.output.String())
		}
	})
	return c
}

func (c *container) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := c.command.Process.Signal(sig); err != nil {
		c.t.Fatal(err)
	}
}

// waitExit returns the exit code.
func (c *container) waitExit() int {
	c.t.Helper()
	select {
	case <-c.exited:
		return c.command.ProcessState.ExitCode()
	case <-time.After(eventually):
		c.t.Fatalf("the entrypoint is still there:\n%s", c.output.String())
		return -1
	}
}

// until polls a fact; it fails when the entrypoint ends first.
func (c *container) until(what string, fact func() bool) {
	c.t.Helper()
	deadline := time.After(eventually)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-c.exited:
			c.t.Fatalf("the entrypoint ended before %s:\n%s", what, c.output.String())
		case <-deadline:
			c.t.Fatalf("never: %s\n%s", what, c.output.String())
		}
	}
}

func (c *container) untilReady() {
	c.t.Helper()
	c.until("the ready marker", c.ready)
}

func (c *container) ready() bool { return c.has("platform-ready") }
func (c *container) has(file string) bool {
	_, err := os.Stat(filepath.Join(c.runDir, file))
	return err == nil
}

// get returns the status of an URL, 0 when nothing answers.
func (c *container) get(url string) int {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func (c *container) source() status.Source {
	return status.Source{Addr: c.addr, ReportPath: c.reportPath}
}

func (c *container) status() status.Document {
	c.t.Helper()
	document, err := c.source().Fetch(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return document
}

// noLeftovers reports processes and markers that outlived the entrypoint.
func (c *container) noLeftovers() {
	c.t.Helper()
	if n := c.processes(); n > 0 {
		c.t.Errorf("%d processes are still there", n)
	}
	for _, marker := range []string{"platform-ready", "platform-shutting-down"} {
		if c.has(marker) {
			c.t.Errorf("%s is still there", marker)
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// writeRequest writes a small push request as the CLI does.
func writeRequest(t *testing.T, extra ...string) string {
	t.Helper()
	modules := []map[string]any{{"path": "messages.js", "source": "export const list = 1;", "environment": "isolate"}}
	for i, source := range extra {
		modules = append(modules, map[string]any{"path": fmt.Sprintf("extra%d.js", i), "source": source, "environment": "isolate"})
	}
	request := map[string]any{
		"adminKey": "build|placeholder", "dryRun": false, "functions": "convex/", "componentDefinitions": []any{}, "nodeDependencies": []any{},
		"appDefinition": map[string]any{
			"definition": nil, "dependencies": []any{}, "schema": nil, "changedModules": modules,
			"unchangedModuleHashes": []any{}, "udfServerVersion": "1.35.1",
		},
	}
	data, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "push-request.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

package platform

import (
	"encoding/json"
	"fmt"
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
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	testSecret   = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	testInstance = "tale_test"
)

// container is one run of the real entrypoint in a process of its own.
type container struct {
	*testkit.Process
	t      *testing.T
	runDir string
	// reportPath is where the report stays when the process is gone.
	reportPath string
	addr       string // of the status port
	web        string // base URL of the web server
}

// newSim starts a backend that takes testSecret.
func newSim(t *testing.T, faults ...fault.Fault) *convexsim.Server {
	t.Helper()
	return simtest.Start(t, convexsim.Options{InstanceName: testInstance, InstanceSecret: testSecret, Faults: faults})
}

// environ returns a complete environment of a container against a backend.
func environ(t *testing.T, convexURL string, changes ...string) config.Environ {
	t.Helper()
	runDir := t.TempDir()
	e := config.Environ{
		"PATH": os.Getenv("PATH"), "CONVEX_URL": convexURL, "INSTANCE_NAME": testInstance, "INSTANCE_SECRET": testSecret,
		"CONVEX_STORAGE": "sqlite", "SITE_URL": "https://tale.example", "TALE_RUN_DIR": runDir,
		"STATUS_ADDR": testkit.FreeAddress(t), "PORT": testkit.FreePort(t), "CONVEX_APP_DIR": runDir,
		"CONVEX_PUSH_REQUEST": writeRequest(t), "WEB_COMMAND": os.Args[0], "SHUTDOWN_DRAIN_SECONDS": "300ms",
		"TALE_RUN_AS": "0:0", "GORACE": "atexit_sleep_ms=0", testkit.RoleVariable: "entrypoint",
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
	c := &container{t: t, runDir: e["TALE_RUN_DIR"], addr: e["STATUS_ADDR"], web: "http://127.0.0.1:" + e["PORT"]}
	c.reportPath = filepath.Join(c.runDir, "platform-report.json")
	command := exec.Command(os.Args[0], args...)
	command.Env = e.List()
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Process = testkit.Start(t, command)
	return c
}

func (c *container) untilReady() {
	c.t.Helper()
	c.Until("the ready marker", c.ready)
}

func (c *container) ready() bool { return c.has("platform-ready") }
func (c *container) has(file string) bool {
	_, err := os.Stat(filepath.Join(c.runDir, file))
	return err == nil
}

// get returns the status of an URL, 0 when nothing answers.
func (c *container) get(url string) int {
	status, _ := c.answer(url)
	return status
}

func (c *container) header(url string) http.Header {
	_, header := c.answer(url)
	return header
}

func (c *container) answer(url string) (int, http.Header) {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		return 0, nil
	}
	_ = response.Body.Close()
	return response.StatusCode, response.Header
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

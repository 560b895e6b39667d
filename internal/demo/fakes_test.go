package demo

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/site/sitetest"
)

// TestMain lets the test binary stand for the programs that a demo starts: the
// tests link it under their names, and each is a real process.
func TestMain(m *testing.M) {
	fakes := map[string]func() int{
		"npm": fakeCommand, "npx": fakeCommand, "bun": fakeCommand, "pnpm": fakeCommand, "node": func() int { return 0 }, "convex-sim": func() int { return 0 },
		"convex-entrypoint": fakeConvex, "platform-entrypoint": fakePlatform, "proxy": fakeProxy,
	}
	if fake, ok := fakes[filepath.Base(os.Args[0])]; ok {
		// Not os.Exit, which waits a second for the race detector's last word.
		syscall.Exit(fake())
	}
	os.Exit(m.Run())
}

// linkFakes puts the fakes into a folder under the given names.
func linkFakes(t *testing.T, folder string, names ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// demoFolder returns the demo's folder, as its children find it.
func demoFolder() string { return filepath.Dir(filepath.Dir(os.Getenv("TALE_RUN_DIR"))) }

// note appends a line to a file that the test reads.
func note(path, line string) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = file.Close() }()
	_, _ = fmt.Fprintln(file, line)
}

// callsVariable names the file in which commands note what they are asked for.
const callsVariable = "DEMO_TEST_CALLS"

// fakeCommand makes what the real commands make.
func fakeCommand() int {
	call := strings.Join(append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...), " ")
	note(os.Getenv(callsVariable), call)
	if text, err := os.ReadFile(".fails"); err == nil && string(text) == call {
		if os.Getenv("NO_COLOR") == "" {
			fmt.Print("\x1b[31m")
		}
		fmt.Println("the build of the app is broken")
		return 7
	}
	made := "node_modules/x/package.json"
	if strings.HasSuffix(call, " build") {
		made = "dist/server/server.js"
	}
	return makeFile(made)
}

func makeFile(path string) int {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 1
	}
	note(path, "made")
	return 0
}

func fakeConvex() int {
	return serveStatus("convex", report.Document{Service: "convex", Stages: []report.Stage{{Name: "backend", State: report.Done, DurationMS: 12}}})
}

func fakePlatform() int {
	if os.Args[1] == "push-index" {
		note(os.Getenv(callsVariable), "push-index")
		return makeFile(os.Args[len(os.Args)-1])
	}
	document := report.Document{
		Service: "platform",
		Stages:  []report.Stage{{Name: "wait", State: report.Done, DurationMS: 5}, {Name: "deploy", State: report.Done, DurationMS: 34, Detail: "deployed"}},
	}
	document.Set(envsync.Section, envsync.Summary{Declared: 24, Present: 24, New: 24})
	document.Set(trace.Section, trace.Deploy{Driver: "native", Functions: 9, Changed: new(3), Modules: 3, After: &trace.AfterDeploy{Function: "migrations:runAll", DurationMS: 7}})
	if os.Args[1] == "push" {
		document.Set(envsync.Section, envsync.Summary{Declared: 24, Present: 24, Unchanged: 24})
		document.Set(trace.Section, trace.Deploy{Driver: "native", Skipped: "the backend has everything"})
		data, _ := json.Marshal(document)
		_ = os.WriteFile(filepath.Join(os.Getenv("TALE_RUN_DIR"), "platform-report.json"), data, 0o600)
		return 0
	}
	return serveStatus("platform", document)
}

// serveStatus returns a service with a status port: ready at once, gone after
// SIGTERM, or dead as soon as the test asks for it.
func serveStatus(name string, document report.Document) int {
	if _, err := os.Stat(filepath.Join(demoFolder(), "stillborn-"+name)); err == nil {
		fmt.Println(name + " has bad settings")
		return 78
	}
	listener, err := net.Listen("tcp", os.Getenv("STATUS_ADDR"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(status.Document{Document: document, Live: status.Live{Ready: true}})
	}))
	return untilStopped(name)
}

// serve answers until the fake ends.
func serve(listener net.Listener, handler http.Handler) {
	go func() { fmt.Println((&http.Server{Handler: handler, ReadHeaderTimeout: time.Second}).Serve(listener)) }()
}

func untilStopped(name string) int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Println(name + " is up")
	for {
		select {
		case <-stop:
			note(filepath.Join(demoFolder(), "stops"), name)
			if _, err := os.Stat(filepath.Join(demoFolder(), "dirty-"+name)); err == nil {
				return 3
			}
			return 0
		case <-time.After(5 * time.Millisecond):
			if _, err := os.Stat(filepath.Join(demoFolder(), "kill-"+name)); err == nil {
				fmt.Println(name + " met its fate")
				return 42
			}
		}
	}
}

func fakeProxy() int {
	certificate, root := sitetest.Certificate()
	if err := os.WriteFile(filepath.Join(os.Getenv("PROXY_CA_EXPORT_DIR"), "root.crt"), root, 0o600); err != nil {
		return 1
	}
	var variables []string
	for _, name := range []string{"SITE_URL", "BASE_PATH"} {
		variables = append(variables, name+"="+os.Getenv(name))
	}
	site := &sitetest.Site{URL: os.Getenv("SITE_URL"), AdminKey: "tale_demo|", Metrics: os.Getenv("METRICS_BEARER_TOKEN"), Variables: variables}
	if text, err := os.ReadFile(filepath.Join(demoFolder(), "fault")); err == nil {
		site.Fault = strings.TrimSpace(string(text))
	}
	https, err1 := tls.Listen("tcp", loopbackOf("HTTPS_PORT"), &tls.Config{Certificates: []tls.Certificate{certificate}})
	plain, err2 := net.Listen("tcp", loopbackOf("HTTP_PORT"))
	health, err3 := net.Listen("tcp", os.Getenv("PROXY_HEALTH_ADDR"))
	if err1 != nil || err2 != nil || err3 != nil {
		fmt.Println(err1, err2, err3)
		return 1
	}
	serve(https, site)
	serve(plain, http.HandlerFunc(site.Redirect))
	serve(health, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return untilStopped("proxy")
}

func loopbackOf(variable string) string { return "127.0.0.1:" + os.Getenv(variable) }

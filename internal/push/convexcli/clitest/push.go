package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/clidriver"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

const (
	fakeCLIMode   = "PUSH_FAKE_CLI"
	fakeCLIOutput = "PUSH_FAKE_CLI_OUTPUT" // a file that the fake writes to
	fakeCLIFile   = "PUSH_FAKE_CLI_REQUEST"
)

// fakeCLIOptions run the test binary as the CLI.
func fakeCLIOptions(t testing.TB, mode string, environ ...string) convexcli.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return convexcli.Options{
		Command: []string{self},
		AppDir:  t.TempDir(),
		Environ: append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", fakeCLIMode + "=" + mode}, environ...),
	}
}

// description is what the fake was started with.
type description struct {
	Args    []string
	Dir     string
	Environ []string
	PID     int
	Group   int
}

func fakeCLI(mode string) int {
	if path := os.Getenv(fakeCLIOutput); path != "" && mode != "sleep" {
		dir, _ := os.Getwd()
		data, _ := json.Marshal(description{os.Args[1:], dir, os.Environ(), os.Getpid(), syscall.Getpgrp()})
		if err := os.WriteFile(path+".part", data, 0o600); err != nil {
			return 9
		}
		if err := os.Rename(path+".part", path); err != nil {
			return 9
		}
	}
	switch mode {
	case "deploy":
		if fakeDeploy(os.Environ(), os.Stderr) != nil {
			return 1
		}
	case "give up":
		_, _ = fmt.Fprintln(os.Stderr, "\x1b[31m✖\x1b[39m Could not resolve \"./missing\"")
		_, _ = fmt.Fprintln(os.Stderr, "Error: getaddrinfo ENOTFOUND o1192621.ingest.sentry.io")
		return 1
	case "do nothing":
		return 0
	case "be killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "linger":
		signal.Ignore(syscall.SIGTERM)
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), fakeCLIMode+"=sleep")
		_ = child.Start()
		fallthrough
	case "sleep":
		<-make(chan os.Signal)
	}
	return 0
}

// fakeDeploy does what convex 1.35.1 does on the wire, with its retries for
// routes that do not exist and without those for broken connections.
func fakeDeploy(environ []string, out io.Writer) error {
	f := fakePush{url: lookup(environ, "CONVEX_SELF_HOSTED_URL"), key: lookup(environ, "CONVEX_SELF_HOSTED_ADMIN_KEY")}
	_, _ = fmt.Fprintln(out, "- Deploying to "+f.url+"...")
	content, err := os.ReadFile(lookup(environ, fakeCLIFile))
	if err == nil {
		err = f.push(content)
	}
	if err != nil {
		_, _ = fmt.Fprintln(out, "✖ "+err.Error())
		return err
	}
	_, _ = fmt.Fprintln(out, "✔ Deployed Convex functions to "+f.url)
	return nil
}

func lookup(environ []string, name string) string {
	for _, variable := range environ {
		if value, is := strings.CutPrefix(variable, name+"="); is {
			return value
		}
	}
	return ""
}

// inProcess stands for running the CLI where a process would only cost time. Like
// a process it can be stopped at any moment.
func inProcess(ctx context.Context, _ *slog.Logger, p supervise.Process) (clidriver.End, error) {
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- fakeDeploy(p.Env, &out) }()
	select {
	case <-ctx.Done():
		return clidriver.End{Killed: true, Words: "killed by SIGTERM"}, ctx.Err()
	case err := <-ended:
		for line := range bytes.Lines(out.Bytes()) {
			p.Line(supervise.Stderr, bytes.TrimSpace(line))
		}
		return clidriver.End{Success: err == nil, Words: "an exit code"}, nil
	}
}

type fakePush struct{ url, key string }

func (f fakePush) push(file []byte) error {
	var fields map[string]any
	if err := json.Unmarshal(file, &fields); err != nil {
		return err
	}
	fields["adminKey"] = f.key
	request, _ := json.Marshal(fields)
	key, _ := json.Marshal(f.key)
	if _, err := f.post("/api/get_config_hashes", fmt.Appendf(nil, `{"adminKey":%s}`, key)); err != nil {
		return err
	}
	// The newest CLI asks for evaluate_schema first and does not mind a failure.
	_, _ = f.post("/api/deploy2/evaluate_schema", request)
	if _, err := f.post("/api/deploy2/evaluate_push", request); err != nil {
		return err
	}
	started, err := f.post("/api/deploy2/start_push", request)
	if err != nil {
		return err
	}
	var answer struct {
		SchemaChange json.RawMessage `json:"schemaChange"`
	}
	if err := json.Unmarshal(started, &answer); err != nil {
		return err
	}
	if err := f.wait(key, answer.SchemaChange); err != nil {
		return err
	}
	_, err = f.post("/api/deploy2/finish_push", fmt.Appendf(nil, `{"adminKey":%s,"startPush":%s,"dryRun":false,"message":null}`, key, started))
	return err
}

func (f fakePush) wait(key []byte, change json.RawMessage) error {
	for {
		body, err := f.post("/api/deploy2/wait_for_schema", fmt.Appendf(nil, `{"adminKey":%s,"schemaChange":%s,"timeoutMs":100,"dryRun":false}`, key, change))
		if err != nil {
			return err
		}
		var status struct{ Type, Error string }
		if err := json.Unmarshal(body, &status); err != nil {
			return err
		}
		switch status.Type {
		case "complete":
			return nil
		case "failed":
			return errors.New("Schema validation failed.\n" + status.Error)
		case "raceDetected":
			return errors.New("schema was overwritten by another push")
		}
	}
}

// post asks six more times for a route that does not exist, as the CLI does.
func (f fakePush) post(path string, body []byte) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		answer, status, err := f.postOnce(path, body)
		switch {
		case err != nil || status == http.StatusOK:
			return answer, err
		case status != http.StatusNotFound || attempt == 6 || path == "/api/deploy2/evaluate_schema":
			return nil, fmt.Errorf("Error fetching POST  %s %d", path, status)
		}
		<-time.After(time.Second)
	}
}

func (f fakePush) postOnce(path string, body []byte) ([]byte, int, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Timeout: time.Minute, Transport: transport}
	response, err := client.Post(f.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return answer, response.StatusCode, err
}

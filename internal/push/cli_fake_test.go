package push

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

const (
	fakeCLIMode   = "PUSH_FAKE_CLI"
	fakeCLIOutput = "PUSH_FAKE_CLI_OUTPUT" // a file that the fake writes to
	fakeCLIFile   = "PUSH_FAKE_CLI_REQUEST"
)

// fakeCLIOptions run the test binary as the CLI.
func fakeCLIOptions(t testing.TB, mode string, environ ...string) CLIOptions {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return CLIOptions{
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
		return fakeDeploy()
	case "give up":
		fmt.Fprintln(os.Stderr, "\x1b[31m✖\x1b[39m Could not resolve \"./missing\"")
		fmt.Fprintln(os.Stderr, "Error: getaddrinfo ENOTFOUND o1192621.ingest.sentry.io")
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

// fakeDeploy does what convex 1.35.1 does on the wire, without retries.
func fakeDeploy() int {
	fmt.Fprintln(os.Stderr, "- Deploying to "+os.Getenv("CONVEX_SELF_HOSTED_URL")+"...")
	var request json.RawMessage
	content, err := os.ReadFile(os.Getenv(fakeCLIFile))
	if err == nil {
		request, err = withKey(content)
	}
	if err == nil {
		err = fakePush(request)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "✖ "+err.Error())
		return 1
	}
	fmt.Fprintln(os.Stderr, "✔ Deployed Convex functions to "+os.Getenv("CONVEX_SELF_HOSTED_URL"))
	return 0
}

func withKey(request []byte) (json.RawMessage, error) {
	var fields map[string]any
	if err := json.Unmarshal(request, &fields); err != nil {
		return nil, err
	}
	fields["adminKey"] = os.Getenv("CONVEX_SELF_HOSTED_ADMIN_KEY")
	return json.Marshal(fields)
}

func fakePush(request json.RawMessage) error {
	key, _ := json.Marshal(os.Getenv("CONVEX_SELF_HOSTED_ADMIN_KEY"))
	if _, err := fakePost("/api/get_config_hashes", fmt.Appendf(nil, `{"adminKey":%s}`, key)); err != nil {
		return err
	}
	// The newest CLI asks for evaluate_schema first and does not mind a failure.
	_, _ = fakePost("/api/deploy2/evaluate_schema", request)
	if _, err := fakePost("/api/deploy2/evaluate_push", request); err != nil {
		return err
	}
	started, err := fakePost("/api/deploy2/start_push", request)
	if err != nil {
		return err
	}
	var answer struct {
		SchemaChange json.RawMessage `json:"schemaChange"`
	}
	if err := json.Unmarshal(started, &answer); err != nil {
		return err
	}
	if err := fakeWait(key, answer.SchemaChange); err != nil {
		return err
	}
	_, err = fakePost("/api/deploy2/finish_push", fmt.Appendf(nil, `{"adminKey":%s,"startPush":%s,"dryRun":false,"message":null}`, key, started))
	return err
}

func fakeWait(key []byte, change json.RawMessage) error {
	for {
		body, err := fakePost("/api/deploy2/wait_for_schema", fmt.Appendf(nil, `{"adminKey":%s,"schemaChange":%s,"timeoutMs":100,"dryRun":false}`, key, change))
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
			return errors.New("Schema was overwritten by another push.")
		}
	}
}

// fakePost asks six more times for a route that does not exist, as the CLI does.
func fakePost(path string, body []byte) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		answer, status, err := fakePostOnce(path, body)
		switch {
		case err != nil || status == http.StatusOK:
			return answer, err
		case status != http.StatusNotFound || attempt == 6 || path == "/api/deploy2/evaluate_schema":
			return nil, fmt.Errorf("Error fetching POST  %s %d", path, status)
		}
		<-time.After(time.Second)
	}
}

func fakePostOnce(path string, body []byte) ([]byte, int, error) {
	client := &http.Client{Timeout: time.Minute}
	response, err := client.Post(os.Getenv("CONVEX_SELF_HOSTED_URL")+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return answer, response.StatusCode, err
}

package command

import (
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const commandRole = "convex-sim"

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{commandRole: func() int { return cli.Main(New()) }}))
}

// process is convex-sim as a process of its own.
type process struct {
	*testkit.Process
	url  string
	site string
}

// command runs convex-sim on loopback and free ports, with more arguments.
func command(t *testing.T, prefix []string, args ...string) *process {
	t.Helper()
	argv := append(append(prefix, os.Args[0], "-i", "127.0.0.1", "-p", "0", "--site-proxy-port", "0"), args...)
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), testkit.RoleVariable+"="+commandRole)
	cmd.Dir = t.TempDir()
	return &process{Process: testkit.Start(t, cmd)}
}

// started waits until the ports are open.
func (p *process) started() *process {
	p.url, _, _ = strings.Cut(p.Expect(" api="), " ")
	p.site, _, _ = strings.Cut(p.Expect(" site="), " ")
	return p
}

// hang makes a request that hangs, and returns its outcome.
func (p *process) hang(t *testing.T) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := get(t.Context(), p.url+"/instance_name")
		done <- err
	}()
	testkit.Eventually(t, "the request hangs", func() bool {
		text, err := get(t.Context(), p.url+"/metrics")
		return err == nil && strings.Contains(text, "\nbackend_http_service_concurrent_requests 1\n")
	})
	return done
}

func get(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

func TestTheFirstInterruptLetsRequestsFinish(t *testing.T) {
	p := command(t, nil, "--fault", "stage=instance_name,delay=2s").started()
	running := p.hang(t)
	p.Signal(syscall.SIGINT)
	p.Expect("draining existing requests")
	testkit.Eventually(t, "new requests are not taken", func() bool {
		_, err := get(t.Context(), p.url+"/version")
		return err != nil
	})
	if len(running) != 0 {
		t.Error("the running request was not waited for")
	}
	if err := <-running; err != nil {
		t.Errorf("the running request failed: %v", err)
	}
	if status := p.Wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestTheSecondInterruptDoesNot(t *testing.T) {
	p := command(t, nil, "--fault", "stage=instance_name,hang").started()
	running := p.hang(t)
	p.Signal(syscall.SIGINT)
	p.Expect("draining existing requests")
	p.Signal(syscall.SIGINT)
	if status := p.Wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if err := <-running; err == nil {
		t.Error("the running request was finished")
	}
}

func TestSIGTERMIsADeathAndNoRequest(t *testing.T) {
	p := command(t, nil).started()
	p.Signal(syscall.SIGTERM)
	if status := p.Wait(); status != 128+int(syscall.SIGTERM) {
		t.Errorf("exit status %d", status)
	}
}

func TestAnInterruptBeforeThePortsAreOpenIsADeath(t *testing.T) {
	p := command(t, nil, "--fault", "stage=start,hang")
	p.Expect("Starting")
	p.Signal(syscall.SIGINT)
	if status := p.Wait(); status != 128+int(syscall.SIGINT) {
		t.Errorf("exit status %d", status)
	}
}

func TestAsPID1SIGTERMIsIgnored(t *testing.T) {
	p := command(t, testkit.PID1(t)).started()
	p.Signal(syscall.SIGTERM)
	p.Signal(syscall.SIGHUP)
	if text, err := get(t.Context(), p.url+"/version"); err != nil || text != "unknown" {
		t.Errorf("after SIGTERM: %q, %v", text, err)
	}
	p.Signal(syscall.SIGINT)
	if status := p.Wait(); status != 0 {
		t.Errorf("exit status %d after SIGINT", status)
	}
}

// The log has the backend's shape and words, which other programs read.
func TestTheLogReadsLikeTheBackends(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want []string // one after the other
	}{
		"own database": {nil, []string{` INFO model::migrations: Attempting migration`, ` INFO model::migrations: db metadata version up to date at 124`}},
		"older database": {[]string{"--database-version", "123"}, []string{
			` INFO model::migrations: Migrating to 124`, ` WARN migrations_model: Executing Migration 124/124. Wait for log line 'Migrated 124'`, ` INFO model::migrations: Migrated 124`,
		}},
		"newer database": {[]string{"--database-version", "128"}, []string{` WARN model::migrations: persisted db metadata version is ahead at 128, this binary is at 124`}},
		"lost lease": {[]string{"--fault", "stage=running,exit=0"}, []string{
			`ERROR common::errors: Caught operational error (RUST_BACKTRACE=1 RUST_LOG=info,common::errors=debug for full trace): Your request couldn't be completed. Try again later.: Lease Lost`,
			`ERROR common::errors: Not reporting above error: Sentry is not configured`, ` INFO convex_sim: Received a fatal error. Shutting down immediately`, ` INFO convex_sim: Cool down expired. Shutting down`,
		}},
	} {
		p := command(t, nil, c.args...)
		var lines []string
		for _, line := range c.want {
			lines = append(lines, `(?m:^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z `+regexp.QuoteMeta(line)+`$)`)
		}
		matcher := regexp.MustCompile(`(?s)` + strings.Join(lines, `.*`))
		testkit.Eventually(t, name, func() bool { return matcher.MatchString(p.Output.String()) })
	}
}

func TestAnInternalErrorIsInTheLogOnly(t *testing.T) {
	p := command(t, nil, "--fault", "stage=instance_name,status=500,code=InternalServerError,message=words").started()
	text, err := get(t.Context(), p.url+"/instance_name")
	if err != nil || !strings.Contains(text, "InternalServerError") {
		t.Errorf("%q, %v", text, err)
	}
	p.Expect("ERROR common::errors: Caught error error")
}

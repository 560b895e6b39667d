package convexsim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/cli"
)

// commandVariable makes the test binary be convex-sim.
const commandVariable = "CONVEX_SIM_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(commandVariable) != "" {
		os.Exit(cli.Main(Command()))
	}
	os.Exit(m.Run())
}

// process is convex-sim as a process of its own.
type process struct {
	cmd   *exec.Cmd
	lines chan string // of its log; closed at its end
	ended chan error
	url   string
	site  string
}

// command runs convex-sim on loopback and free ports, with more arguments.
func command(t *testing.T, prefix []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	argv := append(append(prefix, self, "-i", "127.0.0.1", "-p", "0", "--site-proxy-port", "0"), args...)
	p := &process{cmd: exec.CommandContext(t.Context(), argv[0], argv[1:]...), lines: make(chan string, 1000), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), commandVariable+"=1")
	p.cmd.Dir = t.TempDir()
	output, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = input, input
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = input.Close()
	go p.read(output)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for range p.lines {
		}
	})
	return p
}

func (p *process) read(output *os.File) {
	defer close(p.lines)
	defer func() { _ = output.Close() }()
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		p.lines <- scanner.Text()
	}
	p.ended <- p.cmd.Wait()
}

// started waits until the ports are open.
func (p *process) started(t *testing.T) *process {
	t.Helper()
	p.expect(t, "api=")
	return p
}

// expect waits for a log line with the text, and remembers the ports it tells.
func (p *process) expect(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				t.Fatalf("it ended without a line with %q", text)
			}
			for field := range strings.FieldsSeq(line) {
				if url, ok := strings.CutPrefix(field, "api="); ok {
					p.url = url
				}
				if url, ok := strings.CutPrefix(field, "site="); ok {
					p.site = url
				}
			}
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			t.Fatalf("no line with %q", text)
		}
	}
}

// end waits for the end and returns the exit status, or 128 plus the signal.
func (p *process) end(t *testing.T) int {
	t.Helper()
	select {
	case err := <-p.ended:
		var exited *exec.ExitError
		if err != nil && !errors.As(err, &exited) {
			t.Fatal(err)
		}
		status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
		return -1
	}
}

func (p *process) signal(t *testing.T, signal os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// hang makes a request that hangs, and returns its outcome.
func (p *process) hang(t *testing.T) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := get(t.Context(), p.url+"/instance_name")
		done <- err
	}()
	eventually(t, "the request hangs", func() bool {
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
	p := command(t, nil, "--fault", "stage=instance_name,delay=2s").started(t)
	running := p.hang(t)
	p.signal(t, os.Interrupt)
	p.expect(t, "draining existing requests")
	eventually(t, "new requests are not taken", func() bool {
		_, err := get(t.Context(), p.url+"/version")
		return err != nil
	})
	if len(running) != 0 {
		t.Error("the running request was not waited for")
	}
	if err := <-running; err != nil {
		t.Errorf("the running request failed: %v", err)
	}
	if status := p.end(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestTheSecondInterruptDoesNot(t *testing.T) {
	p := command(t, nil, "--fault", "stage=instance_name,hang").started(t)
	running := p.hang(t)
	p.signal(t, os.Interrupt)
	p.expect(t, "draining existing requests")
	p.signal(t, os.Interrupt)
	if status := p.end(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if err := <-running; err == nil {
		t.Error("the running request was finished")
	}
}

func TestSIGTERMIsADeathAndNoRequest(t *testing.T) {
	p := command(t, nil).started(t)
	p.signal(t, syscall.SIGTERM)
	if status := p.end(t); status != 128+int(syscall.SIGTERM) {
		t.Errorf("exit status %d", status)
	}
}

func TestAnInterruptBeforeThePortsAreOpenIsADeath(t *testing.T) {
	p := command(t, nil, "--fault", "stage=start,hang")
	p.expect(t, "Starting")
	p.signal(t, os.Interrupt)
	if status := p.end(t); status != 128+int(syscall.SIGINT) {
		t.Errorf("exit status %d", status)
	}
}

func TestAsPID1SIGTERMIsIgnored(t *testing.T) {
	prefix := []string{"unshare", "--fork", "--pid", "--kill-child"}
	if os.Geteuid() != 0 {
		prefix = append(prefix, "--user", "--map-root-user")
	}
	p := command(t, prefix).started(t)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.cmd.Process.Pid, p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(children), &pid); err != nil {
		t.Fatalf("no child in %q: %v", children, err)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := get(t.Context(), p.url+"/version"); err != nil || text != "unknown" {
		t.Errorf("after SIGTERM: %q, %v", text, err)
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if status := p.end(t); status != 0 {
		t.Errorf("exit status %d after SIGINT", status)
	}
}

func TestALostLeaseIsInTheLog(t *testing.T) {
	p := command(t, nil, "--fault", "stage=running,exit=0")
	p.expect(t, "Received a fatal error. Shutting down immediately")
	p.expect(t, "Cool down expired")
}

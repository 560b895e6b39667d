package supervise_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// helperVariable makes the test binary be another program: see helpers_test.go.
const helperVariable = "SUPERVISE_TEST_HELPER"

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		os.Exit(helpers[name](os.Args[1:]))
	}
	os.Exit(m.Run())
}

// self is the test binary, started as a helper.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// buildWithoutCgo builds a program as those that we ship are built, which the
// test binary, with the race detector in it, is not. Every user can execute it.
func buildWithoutCgo(t *testing.T, folder string) string {
	t.Helper()
	binary := filepath.Join(testkit.PublicDir(t), "program")
	build := exec.Command("go", "build", "-o", binary, folder)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

func helperEnv(name string) []string {
	return []string{helperVariable + "=" + name, "PATH=" + os.Getenv("PATH"), "GORACE=halt_on_error=1 atexit_sleep_ms=0"}
}

// helper describes a process that runs a helper.
func helper(t *testing.T, name string, args ...string) supervise.Process {
	t.Helper()
	return supervise.Process{Name: name, Argv: append([]string{self(t)}, args...), Env: helperEnv(name)}
}

// shell describes a process that runs a script.
func shell(script string) supervise.Process {
	return supervise.Process{Name: "shell", Argv: []string{"sh", "-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}}
}

// program is a helper that a test runs from outside, as a container runtime
// would, to see its output and how it ends.
type program struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     testkit.Buffer
	errs    testkit.Buffer
	ended   chan struct{}
	waited  error
	elapsed time.Duration
}

// startProgram starts a helper as an ordinary process.
func startProgram(t *testing.T, name string, args ...string) *program {
	t.Helper()
	return startCommand(t, name, append([]string{self(t)}, args...), nil)
}

// startPID1 starts a helper as PID 1 of a new PID namespace.
func startPID1(t *testing.T, name string, args ...string) *program {
	t.Helper()
	return startCommand(t, name, append(pid1Prefix(t), append([]string{self(t)}, args...)...), nil)
}

// pid1Prefix is the command that makes its argument PID 1. Root can make the
// namespace itself, anybody else needs a user namespace around it.
func pid1Prefix(t *testing.T) []string {
	t.Helper()
	prefix := []string{"unshare", "--fork", "--pid", "--mount-proc", "--kill-child"}
	if os.Geteuid() != 0 {
		prefix = []string{"unshare", "--user", "--map-root-user", "--fork", "--pid", "--mount-proc", "--kill-child"}
	}
	if out, err := exec.Command(prefix[0], append(prefix[1:], "true")...).CombinedOutput(); err != nil {
		t.Fatalf("cannot test as PID 1: %v: %s", err, out)
	}
	return prefix
}

func startCommand(t *testing.T, name string, argv []string, change func(*exec.Cmd)) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(argv[0], argv[1:]...), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = helperEnv(name), &p.out, &p.errs
	// A process that escapes must not keep the test waiting for its output.
	p.cmd.WaitDelay = time.Second
	if change != nil {
		change(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	go func() {
		defer close(p.ended)
		p.waited = p.cmd.Wait()
		p.elapsed = time.Since(began)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%s wrote:\n%s%s", name, p.out.String(), p.errs.String())
		}
	})
	return p
}

// wait returns the exit code, 128+n after signal n.
func (p *program) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		p.t.Fatal("the program did not end")
	}
	state := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if state.Signaled() {
		return 128 + int(state.Signal())
	}
	return state.ExitStatus()
}

// inner is the pid, seen from here, of the program itself: behind unshare it
// is a child.
func (p *program) inner() int {
	p.t.Helper()
	if !p.isPID1() {
		return p.cmd.Process.Pid
	}
	var pid int
	eventually(p.t, "unshare has a child", func() bool {
		children := procfs.Children(p.cmd.Process.Pid)
		if len(children) == 1 {
			pid = children[0]
		}
		return pid != 0
	})
	return pid
}

// isPID1 reports whether the program was started by startPID1.
func (p *program) isPID1() bool { return filepath.Base(p.cmd.Path) == "unshare" }

func (p *program) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := unix.Kill(p.inner(), sig); err != nil {
		p.t.Fatalf("cannot send %v: %v", sig, err)
	}
}

// expect waits for a text in the output and returns the rest of its line.
func (p *program) expect(text string) string {
	p.t.Helper()
	var rest string
	eventually(p.t, fmt.Sprintf("output %q", text), func() bool {
		_, after, found := strings.Cut(p.out.String()+p.errs.String(), text)
		line, _, complete := strings.Cut(after, "\n")
		rest = line
		return found && complete
	})
	return rest
}

// eventually polls a fact until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("it never came true: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// alive reports whether a process runs, that is exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return fields[0] != "Z" && fields[0] != "X"
}

// logTo returns a logger and what it has written.
func logTo(t *testing.T) (*slog.Logger, *testkit.Buffer) {
	t.Helper()
	out := &testkit.Buffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", out.String())
		}
	})
	return logging.New(out, logging.FormatConsole, slog.LevelDebug), out
}

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

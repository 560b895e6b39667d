package entrypoint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const eventually = 20 * time.Second

// container is one run of the small service in a process of its own.
type container struct {
	t       *testing.T
	runDir  string
	environ config.Environ
	command *exec.Cmd
	output  testkit.Buffer
	exited  chan struct{}
}

// newContainer prepares a run that stays who it is; changes are NAME=VALUE.
func newContainer(t *testing.T, changes ...string) *container {
	t.Helper()
	c := &container{t: t, runDir: testkit.PublicDir(t), exited: make(chan struct{})}
	c.environ = config.Environ{
		"PATH": os.Getenv("PATH"), "TALE_RUN_DIR": c.runDir, "STATUS_ADDR": "", "TALE_RUN_AS": "0:0",
		"GORACE": "atexit_sleep_ms=0", testkit.RoleVariable: "entrypoint",
	}
	for _, change := range changes {
		name, value, _ := strings.Cut(change, "=")
		c.environ[name] = value
	}
	return c
}

// start runs the entrypoint, behind a command such as unshare if there is one.
func (c *container) start(prefix []string, args ...string) *container {
	c.t.Helper()
	argv := append(append(append([]string{}, prefix...), os.Args[0]), args...)
	c.command = exec.Command(argv[0], argv[1:]...)
	c.command.Env = c.environ.List()
	c.command.Stdout, c.command.Stderr = &c.output, &c.output
	if err := c.command.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(c.exited)
		_ = c.command.Wait() // the exit code says it all
	}()
	c.t.Cleanup(func() {
		// unshare's --kill-child is forgotten when its child changes its user.
		for _, pid := range testkit.ChildrenOf(c.command.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = c.command.Process.Kill()
		<-c.exited
		if c.t.Failed() {
			c.t.Logf("its output:\n%s", c.output.String())
		}
	})
	return c
}

func (c *container) exit() int {
	c.t.Helper()
	select {
	case <-c.exited:
		return c.command.ProcessState.ExitCode()
	case <-time.After(eventually):
		c.t.Fatal("it is still there")
		return -1
	}
}

func (c *container) signal(pid int, sig syscall.Signal) {
	c.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		c.t.Fatal(err)
	}
}

// until polls a fact; it fails when the process ends first.
func (c *container) until(what string, fact func() bool) {
	c.t.Helper()
	deadline := time.After(eventually)
	for !fact() {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-c.exited:
			c.t.Fatalf("it ended before: %s", what)
		case <-deadline:
			c.t.Fatalf("never: %s", what)
		}
	}
}

func (c *container) says(text string) bool { return strings.Contains(c.output.String(), text) }

func (c *container) has(file string) bool {
	_, err := os.Stat(filepath.Join(c.runDir, file))
	return err == nil
}

func writeFile(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(testkit.PublicDir(t), "token")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

package entrypoint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// container is one run of the small service in a process of its own.
type container struct {
	*testkit.Process
	t       *testing.T
	runDir  string
	environ config.Environ
}

// newContainer prepares a run that stays who it is; changes are NAME=VALUE.
func newContainer(t *testing.T, changes ...string) *container {
	t.Helper()
	c := &container{t: t, runDir: testkit.PublicDir(t)}
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
	argv := slices.Concat(prefix, c.command(args...).Args)
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = c.environ.List()
	c.Process = testkit.Start(c.t, command)
	return c
}

// command returns a command of the entrypoint with the service's environment.
func (c *container) command(args ...string) *exec.Cmd {
	command := exec.Command(os.Args[0], args...)
	command.Env = c.environ.List()
	return command
}

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

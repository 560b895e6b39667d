package convex

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	secretA = config.Secret("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	secretB = config.Secret("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

// service is convex-entrypoint as a real process.
type service struct {
	*testkit.Process
	t       *testing.T
	dir     string
	environ config.Environ
}

// newService prepares an entrypoint on free ports with the simulator as its
// backend, SQLite as its storage and no dashboard. Changes are NAME, VALUE, …
func newService(t *testing.T, changes ...string) *service {
	t.Helper()
	dir := t.TempDir()
	s := &service{t: t, dir: dir, environ: config.Environ{
		"PATH": os.Getenv("PATH"), "HOME": dir, "GORACE": "atexit_sleep_ms=0", testkit.RoleVariable: "entrypoint",
		"SITE_URL": "https://tale.example", "INSTANCE_SECRET": secretA.Reveal(),
		"TALE_CONFIG_DIR": filepath.Join(dir, "data"), "TALE_RUN_DIR": filepath.Join(dir, "run"), "CONVEX_BUILTIN_DIR": dir,
		"CONVEX_STORAGE": "sqlite", "CONVEX_INTERFACE": "127.0.0.1", "STATUS_ADDR": "", "TALE_RUN_AS": "0:0",
		"CONVEX_BACKEND_COMMAND": "env " + testkit.RoleVariable + "=backend " + os.Args[0], "CONVEX_DASHBOARD_COMMAND": "",
		"TLS_MODE": "external", "CONVEX_WAIT_TIMEOUT": "20",
	}}
	for _, name := range []string{"CONVEX_BACKEND_PORT", "CONVEX_SITE_PROXY_PORT", "CONVEX_DASHBOARD_PORT"} {
		s.environ[name] = testkit.FreePort(t)
	}
	for i := 0; i+1 < len(changes); i += 2 {
		s.environ[changes[i]] = changes[i+1]
	}
	return s
}

func (s *service) start(args ...string) *service {
	s.t.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Env = s.environ.List()
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.Process = testkit.Start(s.t, command)
	return s
}

// again starts another process with the same folders and the changes.
func (s *service) again(changes ...string) *service {
	s.t.Helper()
	next := &service{t: s.t, dir: s.dir, environ: maps.Clone(s.environ)}
	for i := 0; i+1 < len(changes); i += 2 {
		next.environ[changes[i]] = changes[i+1]
	}
	return next.start()
}

func (s *service) path(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

func (s *service) ready() bool {
	_, err := os.Stat(s.path("run", "convex-ready"))
	return err == nil
}

func (s *service) untilReady() {
	s.t.Helper()
	s.Until("it is ready", s.ready)
}

// children returns the process ids of the children whose command line has a text.
func (s *service) children(text string) []int {
	var found []int
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		stat, _ := os.ReadFile(path)
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		fields := strings.Fields(string(rest))
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if len(fields) < 2 || fields[1] != strconv.Itoa(s.Pid()) || !strings.Contains(string(cmdline), text) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		found = append(found, pid)
	}
	return found
}

func (s *service) child(text string) int {
	s.t.Helper()
	found := s.children(text)
	if len(found) != 1 {
		s.t.Fatalf("%d children with %q", len(found), text)
	}
	return found[0]
}

func procFile(t *testing.T, pid int, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

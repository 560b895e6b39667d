package convex

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What an operator reads of a program that is not the backend.
func TestWhatIsSaidOfABackendThatIsNone(t *testing.T) {
	for name, tt := range map[string]struct {
		command string
		code    int
		says    []string
	}{
		"ends without a word": {"true", exit.UnrequestedEnd,
			[]string{"cause    the backend ended without having printed a line", "fix      take CONVEX_BACKEND_COMMAND out of " + place.Here().Settings()}},
		"hangs without a word": {"sh -c 'trap : INT; exec sleep 60' backend", exit.Unavailable,
			[]string{"cause    the backend has printed nothing", "fix      take CONVEX_BACKEND_COMMAND out of " + place.Here().Settings()}},
		"without its interpreter": {script(t, "#!/nowhere/bash\n"), exit.NotFound,
			[]string{"cause    ", "(CONVEX_BACKEND_COMMAND) is there; the interpreter in its first line, or its loader, is not in this image", "fix      put that interpreter into the image"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, "CONVEX_BACKEND_COMMAND", tt.command, "CONVEX_RESTART_BUDGET", "0", "CONVEX_WAIT_TIMEOUT", "1").start()
			if code := s.WaitWithin(15 * time.Second); code != tt.code {
				t.Errorf("exit code %d", code)
			}
			s.saysAll(tt.says)
		})
	}
}

// script writes a program.
func script(t *testing.T, text string) (path string) {
	t.Helper()
	path = t.TempDir() + "/program"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil { //nolint:gosec // it is executed
		t.Fatal(err)
	}
	return path
}

func (s *service) saysAll(texts []string) {
	s.t.Helper()
	for _, want := range texts {
		if !s.Says(want) {
			s.t.Errorf("%q is not said:\n%s", want, s.Output.String())
		}
	}
}

// Two containers with one volume and one SQLite file: the second one waits, says for
// what, and gives up; it goes on as soon as the first one has ended.
func TestTwoContainersWithOneSQLiteFile(t *testing.T) {
	first := newService(t).start()
	first.untilReady()
	volume := first.environ["TALE_CONFIG_DIR"]
	second := newService(t, "TALE_CONFIG_DIR", volume, "CONVEX_WAIT_TIMEOUT", "1").start()
	if code := second.WaitWithin(15 * time.Second); code != exit.Unavailable {
		t.Errorf("exit code %d", code)
	}
	second.saysAll([]string{
		"waiting for the data folder " + volume, "reason=\"another convex container uses it\"", "FAILED at storage", "another convex container uses it, and has done so for 1s",
		"cause    two containers have the same volume", "fix      " + place.Here().Containers("convex"),
	})
	third := newService(t, "TALE_CONFIG_DIR", volume).start()
	third.Until("it waits", func() bool { return third.Says("waiting for the data folder") })
	if code := first.Stop(5 * time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	third.untilReady()
	third.Stop(5 * time.Second)
}

// With Postgres the lease decides who writes, and a container that replaces another one
// is not held up.
func TestTwoContainersWithOneVolumeBesidePostgres(t *testing.T) {
	host, port, _ := strings.Cut(postgrestest.Start(t, nil).Addr(), ":")
	database := []string{"CONVEX_STORAGE", "", "DB_HOST", host, "DB_PORT", port, "DB_PASSWORD", "any"}
	first := newService(t, database...).start()
	first.untilReady()
	second := newService(t, slices.Concat(database, []string{"TALE_CONFIG_DIR", first.environ["TALE_CONFIG_DIR"]})...).start()
	second.untilReady()
	second.saysAll([]string{"WARN  another convex container uses this data folder", "give it a volume of its own"})
	second.Stop(5 * time.Second)
	first.Stop(5 * time.Second)
}

// Data that goes with its container is named at the start.
func TestDataOutsideOfAVolume(t *testing.T) {
	testkit.RequireRoot(t)
	s := newService(t)
	if err := os.Mkdir(s.environ["TALE_CONFIG_DIR"], 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("unshare", "--mount", "sh", "-c", `mount -t tmpfs none "$0" && exec "$1"`, s.environ["TALE_CONFIG_DIR"], os.Args[0])
	command.Env = s.environ.List()
	p := testkit.Start(t, command)
	p.Until("it is named", func() bool {
		return p.Says("WARN  the data folder is lost with its container: it is in memory")
	})
}

// A limit that suffices for the start, and not for visitors, is named at once.
func TestFewOpenFiles(t *testing.T) {
	s := newService(t)
	command := exec.Command("sh", "-c", `ulimit -n 200 && exec "$0"`, os.Args[0])
	command.Env = s.environ.List()
	p := testkit.Start(t, command)
	p.Until("it is named", func() bool {
		return p.Says("WARN  the limit of open files is low") && p.Says("limit=200 least=1024") && p.Says(place.Here().FileLimit())
	})
}

// A soft limit, which engines set to 1024, is no limit of the children.
func TestChildrenHaveTheHardLimitOfOpenFiles(t *testing.T) {
	s := newService(t, "CONVEX_DASHBOARD_OUTPUT", "true", "CONVEX_DASHBOARD_COMMAND", `sh -c 'echo "files: $(ulimit -n)"; exec sleep 60'`)
	command := exec.Command("sh", "-c", `ulimit -Sn 200 && ulimit -Hn 3000 && exec "$0"`, os.Args[0])
	command.Env = s.environ.List()
	p := testkit.Start(t, command)
	p.Until("the child says its limit", func() bool { return p.Says("files: 3000") })
}

// A limit that leaves no room for another process is named with its setting at the
// first start, and not only after all of them.
func TestTooFewOpenFiles(t *testing.T) {
	s := newService(t)
	command := exec.Command("sh", "-c", `ulimit -n 16 && exec "$0"`, os.Args[0])
	command.Env = s.environ.List()
	p := testkit.Start(t, command)
	p.Until("it is explained", func() bool {
		return p.Says("WARN  backend does not run cause=\"the container has a limit") && p.Says("too many open files") && p.Says("raise what is named ("+place.Here().Limits()+")")
	})
}

// A dashboard that does not run is explained, although everything else goes on.
func TestWhatIsSaidOfADashboard(t *testing.T) {
	dying := newService(t, "CONVEX_DASHBOARD_COMMAND", "sh -c 'exit 1'").start()
	dying.Until("the command is named", func() bool {
		return dying.Says("WARN  dashboard does not run cause=\"sh -c exit 1 (CONVEX_DASHBOARD_COMMAND) ends by itself") && dying.Says("grep 'dashboard |'")
	})
	missing := newService(t, "CONVEX_DASHBOARD_COMMAND", "/no/such/node server.js").start()
	missing.Until("the setting is named", func() bool {
		return missing.Says("WARN  dashboard does not run cause=") && missing.Says("correct CONVEX_DASHBOARD_COMMAND in "+place.Here().Settings())
	})
}

// Folders that are something else are named with their settings.
func TestWhatIsSaidOfWrongFolders(t *testing.T) {
	file := script(t, "")
	for name, tt := range map[string]struct {
		setting string
		code    int
		says    []string
	}{
		"built-in configuration": {"CONVEX_BUILTIN_DIR", exit.Config, []string{"FAILED at seed", "CONVEX_BUILTIN_DIR names " + file + ", which is no folder", "fix      take CONVEX_BUILTIN_DIR out of " + place.Here().Settings()}},
		"data":                   {"TALE_CONFIG_DIR", exit.NoPermission, []string{"FAILED at config", "cause    that path, or one above it, is a file", "fix      correct the setting that names " + file}},
		"run folder":             {"TALE_RUN_DIR", exit.Config, []string{"FAILED at config", "TALE_RUN_DIR: cannot write to " + file, "cause    that path, or one above it, is a file", "or name another folder in TALE_RUN_DIR"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, tt.setting, file).start()
			if code := s.WaitWithin(15 * time.Second); code != tt.code {
				t.Errorf("exit code %d", code)
			}
			s.saysAll(tt.says)
		})
	}
}

// A run folder that is not there is made, and what a failed boot reports is kept in it.
func TestTheReportIsKeptInANewRunFolder(t *testing.T) {
	s := newService(t, "CONVEX_BACKEND_COMMAND", "/no/such/backend")
	s.environ["TALE_RUN_DIR"] = s.path("new", "run")
	if code := s.start().WaitWithin(15 * time.Second); code != exit.NotFound {
		t.Errorf("exit code %d", code)
	}
	if s.Says("cannot keep the boot report") {
		t.Error("the report is said not to be kept")
	}
	if got := testkit.ReadFile(t, s.path("new", "run", "convex-report.json")); !strings.Contains(got, `"state": "failed"`) {
		t.Errorf("the report is %s", got)
	}
}

// A database with documents beside a volume without their files starts, and says what is
// going to be missed; a volume that has been used with it does not.
func TestAnEmptyVolumeBesideADatabaseInUse(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) { f.Facts[7] = "t" })
	host, port, _ := strings.Cut(server.Addr(), ":")
	database := []string{"CONVEX_STORAGE", "", "DB_HOST", host, "DB_PORT", port, "DB_PASSWORD", "any"}
	first := newService(t, database...).start()
	first.untilReady()
	first.saysAll([]string{"WARN  the database is in use, and this volume is empty", "mount the volume that belongs to it"})
	first.Stop(5 * time.Second)
	again := newService(t, slices.Concat(database, []string{"TALE_CONFIG_DIR", first.environ["TALE_CONFIG_DIR"]})...).start()
	again.untilReady()
	again.Stop(5 * time.Second)
	if again.Says("this volume is empty") {
		t.Error("it is said again")
	}
}

// A secret with something too much is not to be replaced by a new one.
func TestASecretWithALineBreak(t *testing.T) {
	s := newService(t)
	s.environ["INSTANCE_SECRET"] += "\n"
	s.start()
	if code := s.WaitWithin(5 * time.Second); code != exit.Config {
		t.Errorf("exit code %d", code)
	}
	s.saysAll([]string{"has 65 characters, not 64: it ends with a line break; accepted: the same 64 hex digits without that"})
	if s.Says("openssl rand") {
		t.Error("it asks for a new secret")
	}
}

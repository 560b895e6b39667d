package supervise_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestMain lets the test binary be one of the helpers: see helpers_test.go.
func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{
		"signals":    helperSignals,
		"parent":     helperParent,
		"churn":      helperChurn,
		"stoppable":  helperStoppable,
		"entrypoint": helperEntrypoint,
		"exec":       helperExec,
		"ends":       helperEnds,
	}))
}

// self returns the path of the test binary, which is started as a helper.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func helperEnv(name string) []string {
	return []string{testkit.RoleVariable + "=" + name, "PATH=" + os.Getenv("PATH"), "GORACE=halt_on_error=1 atexit_sleep_ms=0"}
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

// command describes a process in which the test binary, somewhere behind argv,
// plays a helper.
func command(name string, argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = helperEnv(name)
	return cmd
}

// startProgram starts a helper as an ordinary process.
func startProgram(t *testing.T, name string, args ...string) *testkit.Process {
	t.Helper()
	return testkit.Start(t, command(name, append([]string{self(t)}, args...)...))
}

// startPID1 starts a helper as PID 1 of a new PID namespace.
func startPID1(t *testing.T, name string, args ...string) *testkit.Process {
	t.Helper()
	return testkit.Start(t, command(name, testkit.PID1(t, append([]string{self(t)}, args...)...)...))
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

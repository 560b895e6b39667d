package privilege_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/privilege"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) { os.Exit(testkit.Main(m, map[string]func() int{"apply": applyRole})) }

// identity is who applyRole has become.
type identity struct{ UID int }

// applyRole gives up root as its argument, a privilege.Drop in JSON, says, and
// prints who it is then.
func applyRole() int {
	var drop privilege.Drop
	if err := json.Unmarshal([]byte(os.Args[1]), &drop); err != nil {
		fmt.Println(err)
		return exit.Usage
	}
	log := logging.New(os.Stdout, logging.FormatConsole, slog.LevelDebug)
	if err := drop.Apply(context.Background(), log); err != nil {
		fmt.Println(err)
		return exit.Code(err)
	}
	_ = json.NewEncoder(os.Stdout).Encode(identity{UID: os.Getuid()})
	return 0
}

// command describes a process in which this test binary plays applyRole.
func command(argv ...string) *exec.Cmd {
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = []string{testkit.RoleVariable + "=apply", "PATH=" + os.Getenv("PATH"), "GORACE=halt_on_error=1 atexit_sleep_ms=0"}
	return c
}

func run(t *testing.T, argv ...string) *testkit.Process {
	t.Helper()
	return testkit.Start(t, command(argv...))
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

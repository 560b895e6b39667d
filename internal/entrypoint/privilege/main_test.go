package privilege_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"

	"github.com/tale-project/tale-runtime/internal/entrypoint/privilege"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
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

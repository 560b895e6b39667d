package backup

import (
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAPgDumpThatIsTooOld: what mends it is said, in place of what pg_dump says.
func TestAPgDumpThatIsTooOld(t *testing.T) {
	server := enginetest.New(t)
	server.AddContainer(enginetest.Container{Name: "db", Image: "x", Running: true})
	server.SetExec(func(_ string, command []string, _ string) (string, string, int) {
		if !slices.Contains(command, "pg_dump") {
			return "1\n", "", 0
		}
		return "", "pg_dump: error: aborting because of server version mismatch\n" +
			"pg_dump: detail: server version: 17.12 (Debian 17.12-0+deb13u1); pg_dump version: 15.18 (Debian 15.18-0+deb12u1)\n", 1
	})
	e := server.Connect(t, engine.Options{})
	err := Server{Engine: e, Project: "shop-1", Container: "db", Environ: map[string]string{}}.dump(t.Context(), "shop", "s", io.Discard)
	testkit.WantError(t, err, exit.Config, "cannot dump the database shop: the server is Postgres 17, and pg_dump", "is 15, which is older", "tale.json")
	if strings.Contains(err.Error(), "mismatch") {
		t.Error(err)
	}
}

// TestProgramsSpeakEnglish whatever the image's language: what they say of a connection that
// was lost has no code, and is told by its words.
func TestProgramsSpeakEnglish(t *testing.T) {
	command := program("sh", "-c", "echo $LC_ALL")
	run := exec.CommandContext(t.Context(), command[0], command[1:]...)
	run.Env = append(os.Environ(), "LC_ALL=de_DE.UTF-8")
	if said, err := run.Output(); err != nil || strings.TrimSpace(string(said)) != "C" {
		t.Errorf("LC_ALL is %s, %v", said, err)
	}
}

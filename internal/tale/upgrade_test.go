package tale_test

import (
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What was not built as a release has no keys, and looks for nothing. test/release has
// programs that were.
func TestUpgradeNeedsKeys(t *testing.T) {
	code, says := exit.Config, "cannot verify releases: "
	if _, err := selfupdate.Keys(); err == nil {
		code, says = exit.Usage, "give a release, as 1.2.3"
	}
	for _, args := range [][]string{{"upgrade"}, {"update", "--force"}, {"upgrade", "--dry-run", "--json"}} {
		line.Run(nil, "", append(args, "--version", "nope")...).Expect(t, code, "", says)
	}
	// An older tool calls the new program so, also outside of a project.
	line.Run(nil, "", "upgrade", "--internal-sync-only", "--force", "--project", t.TempDir()).Expect(t, 0, "", "")
}

// What the new program says of a project: what is pending, and it changes nothing.
func TestUpgradeNamesPendingMigrations(t *testing.T) {
	server := enginetest.New(t)
	server.AddContainer(enginetest.Container{Name: "shop-1-convex", Image: "x", Project: "shop-1-blue", Service: "convex", Running: true})
	folder := t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{"tale.json": `{"version": 1, "id": "shop-1"}`})
	environ := server.Environ(t)
	r := line.Run(environ, "", "upgrade", "--internal-sync-only", "--project", folder)
	r.Expect(t, 0, "", "applied by the next tale deploy once you agree: adopt-convex-stateful (0.3.1): ")
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 || r.Out != "" {
		t.Errorf("%v, %v, %q", files, err, r.Out)
	}
	environ["DOCKER_HOST"] = "unix://" + folder + "/no.sock"
	line.Run(environ, "", "upgrade", "--internal-sync-only", "--project", folder).Expect(t, exit.Unavailable, "", "no.sock")
}

package tale_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
)

// What was not built as a release has no keys, and looks for nothing. test/release has
// programs that were.
func TestUpgradeNeedsKeys(t *testing.T) {
	code, says := exit.Config, "cannot verify releases: "
	if _, err := selfupdate.Keys(); err == nil {
		code, says = exit.Usage, "give a release, as 1.2.3"
	}
	for _, args := range [][]string{{"upgrade"}, {"update", "--force"}, {"upgrade", "--dry-run", "--json"}} {
		run(t, nil, "", append(args, "--version", "nope")...).expect(t, code, "", says)
	}
	// An older tool calls the new program so, also outside of a project.
	run(t, nil, "", "upgrade", "--internal-sync-only", "--force", "--project", t.TempDir()).expect(t, 0, "", "")
}

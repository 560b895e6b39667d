package snippets

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A file that is meant for Caddy and has another name is not taken in silence.
func TestListNamesWhatIsLeftOut(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{
		"a.caddy": "redir /x /y\n", "b.conf": "redir /x /y\n", "Caddyfile": "redir /x /y\n", "c.caddy.bak": "redir /x /y\n", "README.md": "about\n", ".hidden.conf": "x\n",
	})
	files, leftOut, err := List(dir)
	said := strings.Join(leftOut, "\n")
	if err != nil || len(files) != 1 || len(leftOut) != 3 || strings.Count(said, "does not end in .caddy") != 3 || strings.Contains(said, "README") {
		t.Errorf("%q, left out %q, %v", files, leftOut, err)
	}
}

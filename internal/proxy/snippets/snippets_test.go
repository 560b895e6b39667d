package snippets

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestBrokenSnippetsAreRefusedWithFileAndLine(t *testing.T) {
	for name, tt := range map[string]struct{ content, want string }{
		"unknown directive": {"respond /x 200\n\nreverse_prox y:1\n", "broken.caddy:3"},
		"open brace":        {"handle /x {\n\trespond 200\n", "broken.caddy:1"},
		"wrong argument":    {"# one\n\nrewrite\n", "broken.caddy:3"},
		"a site of its own": {"respond 200\n}\nother.test {\n\trespond 200\n", "broken.caddy:2"},
		"certificates":      {"\ntls internal\n", "broken.caddy:2: tls is about a site; only directives that handle requests"},
		"error routes":      {"handle_errors {\n\trespond 500\n}\n", "only directives that handle requests"},
		"a log":             {"log\n", "only directives that handle requests"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			testkit.WriteTree(t, dir, map[string]string{"broken.caddy": tt.content, "a-good.caddy": "respond /x 200\n", "z-bad.caddy": "nonsense\n"})
			_, err := Load(dir)
			var problems config.Problems
			if !errors.As(err, &problems) || len(problems) != 2 || exit.Code(err) != exit.Config {
				t.Fatalf("got %v; want a problem for each of the two bad files", err)
			}
			if !strings.Contains(problems[0].String(), tt.want) || !strings.Contains(problems[0].Wrong, "broken.caddy") {
				t.Errorf("got %s; want it to name %s", problems[0], tt.want)
			}
		})
	}
}

func TestASiteDirThatIsNotThereIsEmpty(t *testing.T) {
	if routes, err := Load(filepath.Join(t.TempDir(), "none")); err != nil || len(routes) > 0 {
		t.Errorf("got %v, %v", routes, err)
	}
}

// Whatever is wrong in a file, its name is in the error.
func FuzzErrorsNameTheFile(f *testing.F) {
	for _, content := range []string{"nonsense\n", "respond {\n", "\"", "`", "x <<END\n", "}", "import nowhere.caddy\n", "{\n\tdebug\n}\n", "(x) {\n}\n", "@a path\n", "\x00x", "\xff\xfe", "a.test {\n}\n", "tls internal\n", "php_fastcgi x\n", "respond /a 99999\n", "rewrite\n", "log {\n}\n"} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		if strings.Contains(content, "import") {
			return // reads other files
		}
		dir := t.TempDir()
		testkit.WriteTree(t, dir, map[string]string{"some.caddy": content})
		if _, err := Load(dir); err != nil && !strings.Contains(err.Error(), filepath.Join(dir, "some.caddy")) {
			t.Errorf("%q: %v", content, err)
		}
	})
}

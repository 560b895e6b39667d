package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
)

// siteDir is a folder with the given files.
func siteDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSnippetsBecomeRoutesAheadOfTheApplication(t *testing.T) {
	docs := echo(t, "docs", nil)
	dir := siteDir(t, map[string]string{
		"10-docs.caddy":   fmt.Sprintf("handle_path /docs/* {\n\treverse_proxy %s\n}\n", docs),
		"20-teapot.caddy": "@pot path /teapot\nrespond @pot \"short and stout\" 418\n",
		"30-header.caddy": "header /app/* X-From-Snippet yes\n",
		"ignored.txt":     "not a Caddyfile {",
	})
	for name, env := range map[string]config.Environ{"at the root": {}, "under a path": {"BASE_PATH": "/tale"}} {
		t.Run(name, func(t *testing.T) {
			env["PROXY_SITE_DIR"] = dir
			p := start(t, env)
			base := p.settings.Address().Base
			p.check([]aRequest{
				{base + "/docs/a?x=1", "", "docs", "/a?x=1", 200, ""},
				{base + "/teapot", "", nowhere, "", 418, ""},
				{base + "/api/x", "", routes.Backend, "/http/api/x", 200, ""},
				{base + "/app/x", "", routes.Platform, "/app/x", 200, ""},
			})
			if got := p.get(base+"/app/x", nil).Header.Get("X-From-Snippet"); got != "yes" {
				t.Errorf("a directive that does not end the request: %q", got)
			}
			if got := p.get(base+"/other", nil).Header.Get("X-From-Snippet"); got != "" {
				t.Errorf("outside of its matcher: %q", got)
			}
		})
	}
}

func TestSnippetsCannotTakeWhatTheTableNames(t *testing.T) {
	dir := siteDir(t, map[string]string{"all.caddy": "respond * \"mine\" 200\n"})
	p := start(t, config.Environ{"PROXY_SITE_DIR": dir})
	p.check([]aRequest{
		{"/api/1.2.3/sync", "", routes.Backend, "/api/1.2.3/sync", 200, ""},
		{"/metrics", "", nowhere, "", 401, ""},
		{"/convex-dashboard", "", routes.Dashboard, "/convex-dashboard", 200, ""},
	})
	if got := text(t, p.get("/anything", nil)); got != "mine" {
		t.Errorf("got %q", got)
	}
}

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
			dir := siteDir(t, map[string]string{"broken.caddy": tt.content, "a-good.caddy": "respond /x 200\n", "z-bad.caddy": "nonsense\n"})
			_, err := loadSnippets(dir)
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
	if routes, err := loadSnippets(filepath.Join(t.TempDir(), "none")); err != nil || len(routes) > 0 {
		t.Errorf("got %v, %v", routes, err)
	}
}

// What macOS, editors and mounts put beside the files stops nothing and is named.
func TestForeignFilesAreLeftOutAndNamed(t *testing.T) {
	dir := siteDir(t, map[string]string{
		"10-a.caddy":   "respond /a \"a\" 200\n",
		"._10-a.caddy": "\x00\x05\x16\x07Mac OS X",
		"empty.caddy":  "",
		"blank.caddy":  " \n\t\r\n",
		"zeros.caddy":  "\x00\x00\x00",
		"remark.caddy": "# nothing yet\n",
		"._notes.txt":  "x",
	})
	elsewhere := siteDir(t, map[string]string{"linked": "respond /b \"b\" 200\n"})
	listener, err := net.Listen("unix", filepath.Join(dir, "socket.caddy"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(dir, "pipe.caddy"), 0o600),
		os.Mkdir(filepath.Join(dir, "folder.caddy"), 0o755),
		os.Symlink("nowhere", filepath.Join(dir, "dangling.caddy")),
		os.Symlink("/dev/zero", filepath.Join(dir, "device.caddy")),
		os.Symlink(filepath.Join(elsewhere, "linked"), filepath.Join(dir, "linked.caddy")),
	); err != nil {
		t.Fatal(err)
	}
	leftOut, err := validate(config.Environ{"SITE_URL": "https://site.test", "TLS_MODE": "external", "PROXY_SITE_DIR": dir, "CONVEX_UPSTREAM": echo(t, "c", nil), "PLATFORM_UPSTREAM": echo(t, "p", nil)})
	if err != nil {
		t.Error(err)
	}
	want := []string{"._10-a.caddy is hidden", "blank.caddy is empty", "dangling.caddy is a link to nothing", "device.caddy is not a regular file", "empty.caddy is empty",
		"folder.caddy is not a regular file", "pipe.caddy is not a regular file", "socket.caddy is not a regular file", "zeros.caddy is empty"}
	if len(leftOut) != len(want) {
		t.Errorf("left out: %v", leftOut)
	}
	for i := range min(len(want), len(leftOut)) {
		if leftOut[i] != filepath.Join(dir, want[i]) {
			t.Errorf("got %s, want %s", leftOut[i], want[i])
		}
	}
	p := start(t, config.Environ{"PROXY_SITE_DIR": dir})
	for path, want := range map[string]string{"/a": "a", "/b": "b"} {
		if got := text(t, p.get(path, nil)); got != want {
			t.Errorf("%s: got %q", path, got)
		}
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
		dir := siteDir(t, map[string]string{"some.caddy": content})
		if _, err := loadSnippets(dir); err != nil && !strings.Contains(err.Error(), filepath.Join(dir, "some.caddy")) {
			t.Errorf("%q: %v", content, err)
		}
	})
}

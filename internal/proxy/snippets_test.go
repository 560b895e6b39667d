package proxy

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// siteDir returns a folder with the given files.
func siteDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	testkit.WriteTree(t, dir, files)
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

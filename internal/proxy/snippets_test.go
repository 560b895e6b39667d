package proxy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
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
			base := p.settings.site().base
			p.check([]aRequest{
				{base + "/docs/a?x=1", "", "docs", "/a?x=1", 200, ""},
				{base + "/teapot", "", nowhere, "", 418, ""},
				{base + "/api/x", "", backendUpstream, "/http/api/x", 200, ""},
				{base + "/app/x", "", platformUpstream, "/app/x", 200, ""},
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
		{"/api/1.2.3/sync", "", backendUpstream, "/api/1.2.3/sync", 200, ""},
		{"/metrics", "", nowhere, "", 401, ""},
		{"/convex-dashboard", "", dashboardUpstream, "/convex-dashboard", 200, ""},
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

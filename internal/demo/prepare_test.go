package demo

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// testApp is an app whose npm notes what it is asked for.
type testApp struct {
	t       *testing.T
	options options
	own     config.Environ
	folder  *folder
	out     bytes.Buffer
}

func newTestApp(t *testing.T) *testApp {
	commands := t.TempDir()
	linkFakes(t, commands, "npm", "node")
	t.Setenv("PATH", commands)
	app := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "src/page.ts", "convex/schema.ts"} {
		put(t, filepath.Join(app, name), name)
	}
	return &testApp{t: t, options: options{App: app, Driver: "auto"}, own: config.Environ{"PATH": commands}, folder: &folder{path: t.TempDir()}}
}

// prepare prepares the app and returns what npm was asked for.
func (a *testApp) prepare() (calls string, err error) {
	a.t.Helper()
	err = prepare(a.t.Context(), newScreen(&a.out), a.options, a.folder, a.own)
	path := filepath.Join(a.options.App, ".npm.calls")
	text, readErr := os.ReadFile(path)
	if readErr != nil && !errors.Is(readErr, os.ErrNotExist) {
		a.t.Fatal(readErr)
	}
	_ = os.Remove(path)
	return strings.Join(strings.Fields(string(text)), " "), err
}

func TestPrepareRunsOnlyWhatIsNeeded(t *testing.T) {
	app := newTestApp(t)
	steps := []struct {
		name   string
		change string // a file that gets new content
		remove string
		want   string
	}{
		{"a fresh checkout", "", "", "ci build push-request"},
		{"nothing changed", "", "", ""},
		{"a page changed", "src/page.ts", "", "build"},
		{"a function changed", "convex/schema.ts", "", "build push-request"},
		{"a package changed", "package-lock.json", "", "ci build push-request"},
		{"the output was removed", "", "dist", "build push-request"},
		{"the packages were removed", "", "node_modules", "ci build push-request"},
	}
	for _, tt := range steps {
		if tt.change != "" {
			put(t, filepath.Join(app.options.App, tt.change), tt.name)
		}
		if tt.remove != "" {
			if err := os.RemoveAll(filepath.Join(app.options.App, tt.remove)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := app.prepare(); err != nil || got != tt.want {
			t.Errorf("%s: npm ran %q, want %q (%v)", tt.name, got, tt.want, err)
		}
	}
}

func TestPrepareForTheCLIDriverMakesNoRequest(t *testing.T) {
	app := newTestApp(t)
	app.options.Driver = "cli"
	if got, err := app.prepare(); err != nil || got != "ci build" {
		t.Errorf("npm ran %q, %v", got, err)
	}
}

func TestPrepareTellsWhatFailed(t *testing.T) {
	app := newTestApp(t)
	put(t, filepath.Join(app.options.App, ".npm.fails"), "build")
	_, err := app.prepare()
	if exit.Code(err) != 7 || !strings.Contains(err.Error(), "[npm run build] ended with exit code 7") || !strings.Contains(err.Error(), "the build of the app is broken") {
		t.Errorf("exit %d: %v", exit.Code(err), err)
	}
	if err := os.Remove(filepath.Join(app.options.App, ".npm.fails")); err != nil {
		t.Fatal(err)
	}
	if got, err := app.prepare(); err != nil || got != "build push-request" {
		t.Errorf("after it was mended npm ran %q, %v", got, err)
	}
}

func TestPrepareWithoutNode(t *testing.T) {
	app := newTestApp(t)
	t.Setenv("PATH", t.TempDir())
	if _, err := app.prepare(); exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), "install Node.js") {
		t.Errorf("exit %d: %v", exit.Code(err), err)
	}
}

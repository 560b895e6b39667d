package demo

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// testApp is an app whose commands note what they are asked for.
type testApp struct {
	t       *testing.T
	options options
	own     config.Environ
	folder  *folder
	out     bytes.Buffer
	runs    bool // functions
}

func newTestApp(t *testing.T) *testApp {
	commands := t.TempDir()
	linkFakes(t, commands, "npm", "npx", "node")
	t.Setenv("PATH", commands)
	app := t.TempDir()
	for _, name := range []string{"package.json", "package-lock.json", "src/page.ts", "convex/schema.ts"} {
		put(t, filepath.Join(app, name), name)
	}
	bin := t.TempDir()
	linkFakes(t, bin, "platform-entrypoint")
	own := config.Environ{"PATH": commands, callsVariable: filepath.Join(t.TempDir(), "calls")}
	return &testApp{t: t, options: options{App: app, Bin: bin, Driver: "auto"}, own: own, folder: &folder{path: t.TempDir()}}
}

// prepare prepares the app and returns the commands that ran.
func (a *testApp) prepare() (calls string, err error) {
	a.t.Helper()
	a.runs, err = prepare(a.t.Context(), newScreen(&a.out), a.options, a.folder, a.own)
	path := a.own[callsVariable]
	text, readErr := os.ReadFile(path)
	if readErr != nil && !errors.Is(readErr, os.ErrNotExist) {
		a.t.Fatal(readErr)
	}
	_ = os.Remove(path)
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", ", "), err
}

const (
	again = "npm run build, push-index"
	runs  = "npm ci --ignore-scripts --omit=optional --no-audit --no-fund"
	all   = "npm ci, " + again + ", " + runs
)

func TestPrepareRunsOnlyWhatIsNeeded(t *testing.T) {
	app := newTestApp(t)
	steps := []struct {
		name   string
		change string // a file that gets new content
		remove string
		want   string
	}{
		{"a fresh checkout", "", "", all},
		{"nothing changed", "", "", ""},
		{"a page changed", "src/page.ts", "", again},
		{"a function changed", "convex/schema.ts", "", again},
		{"a package changed", "package-lock.json", "", "npm ci, " + again},
		{"the packages of the runner were removed", "", "node_modules/.cache/tale-demo/functions/node_modules", runs},
		{"the output was removed", "", "dist", "npm run build"},
		{"the packages were removed", "", "node_modules", all},
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
			t.Errorf("%s: ran %q, want %q (%v)", tt.name, got, tt.want, err)
		}
	}
}

// An app may do without what the convex CLI makes, or its build make that.
func TestPrepareAnAppWithoutGeneratedCode(t *testing.T) {
	for made, warned := range map[string]bool{"": true, "convex/_generated/api.js": false, "convex.json": false} {
		app := newTestApp(t)
		app.options.Bin = t.TempDir()
		linkFakes(t, app.options.Bin, binaries...)
		put(t, filepath.Join(app.options.App, "server.ts"), "")
		if made != "" {
			put(t, filepath.Join(app.options.App, made), "")
		}
		if err := app.options.check(); err != nil {
			t.Errorf("with %q: %v", made, err)
		}
		got, err := app.prepare()
		if err != nil || got != all || strings.Contains(app.out.String(), "there is no folder convex/_generated") != warned {
			t.Errorf("with %q: ran %q (%v)\n%s", made, got, err, app.out.String())
		}
	}
}

func TestPrepareAMemberOfAWorkspace(t *testing.T) {
	for lock, c := range map[string]struct {
		there string // the package manager that is installed
		want  string
	}{
		"bun.lock":          {"bun", "bun install --frozen-lockfile"},
		"pnpm-lock.yaml":    {"", "npx --yes pnpm install --frozen-lockfile"},
		"package-lock.json": {"", "npm ci"},
	} {
		t.Run(lock, func(t *testing.T) {
			app := newTestApp(t)
			if c.there != "" {
				linkFakes(t, app.own["PATH"], c.there)
			}
			root := app.options.App
			if err := os.Remove(filepath.Join(root, "package-lock.json")); err != nil {
				t.Fatal(err)
			}
			app.options.App = filepath.Join(root, "services", "web")
			put(t, filepath.Join(root, lock), "")
			put(t, filepath.Join(app.options.App, "package.json"), "{}")
			for _, step := range []struct{ change, want string }{
				{"", c.want + ", " + again + ", " + runs},
				{"", ""},
				{"packages/shared/index.ts", again},
				{lock, c.want + ", " + again},
			} {
				if step.change != "" {
					put(t, filepath.Join(root, step.change), "changed")
				}
				if got, err := app.prepare(); err != nil || got != step.want {
					t.Errorf("after a change of %q: %q, want %q (%v)", step.change, got, step.want, err)
				}
			}
			if _, err := os.Stat(filepath.Join(root, "node_modules", "x")); err != nil {
				t.Errorf("not installed in the workspace: %v", err)
			}
		})
	}
}

func TestPrepareWithoutALockFile(t *testing.T) {
	app := newTestApp(t)
	if err := os.Remove(filepath.Join(app.options.App, "package-lock.json")); err != nil {
		t.Fatal(err)
	}
	if _, err := app.prepare(); exit.Code(err) != exit.Usage || !strings.Contains(err.Error(), "no bun.lock, pnpm-lock.yaml or package-lock.json") {
		t.Errorf("%v", err)
	}
}

func TestWebCommandIsTheStartScript(t *testing.T) {
	for start, want := range map[string]string{
		"":                                 "bun server.ts",
		"node .output/server.mjs":          "node .output/server.mjs",
		"tsx 'my server.ts'":               "tsx 'my server.ts'",
		"NODE_ENV=production node main.js": "npm run start",
		"node a.js && node b.js":           "npm run start",
		"serve -p $PORT":                   "npm run start",
	} {
		app := t.TempDir()
		text, err := json.Marshal(map[string]any{"scripts": map[string]string{"start": start}})
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(app, "package.json"), string(text))
		if got := webCommand(app); got != want {
			t.Errorf("%q: %q, want %q", start, got, want)
		}
	}
}

func TestPrepareForTheCLIDriverMakesNoRequest(t *testing.T) {
	app := newTestApp(t)
	app.options.Driver = "cli"
	if got, err := app.prepare(); err != nil || got != "npm ci, npm run build, "+runs {
		t.Errorf("ran %q, %v", got, err)
	}
}

func TestADemoWithoutARegistryRunsNoFunctions(t *testing.T) {
	app := newTestApp(t)
	put(t, filepath.Join(functionRunner(app.options.App), ".fails"), runs)
	if got, err := app.prepare(); err != nil || got != all || app.runs || !strings.Contains(app.out.String(), "NOT RUN in this demo: npm could not install") {
		t.Errorf("ran %q, %v, functions: %v\n%s", got, err, app.runs, app.out.String())
	}
	if err := os.Remove(filepath.Join(functionRunner(app.options.App), ".fails")); err != nil {
		t.Fatal(err)
	}
	if got, err := app.prepare(); err != nil || got != runs || !app.runs {
		t.Errorf("the next time: %q, %v, functions: %v", got, err, app.runs)
	}
}

func TestTheOfficialBackendNeedsNoRunner(t *testing.T) {
	app := newTestApp(t)
	app.options.Backend = "real"
	if got, err := app.prepare(); err != nil || got != "npm ci, "+again {
		t.Errorf("ran %q, %v", got, err)
	}
}

func TestPrepareTellsWhatFailed(t *testing.T) {
	app := newTestApp(t)
	put(t, filepath.Join(app.options.App, ".fails"), "npm run build")
	_, err := app.prepare()
	if exit.Code(err) != 7 || !strings.Contains(err.Error(), "[npm run build] ended with exit code 7") || !strings.Contains(err.Error(), "\n    the build of the app is broken") {
		t.Errorf("exit %d: %v", exit.Code(err), err)
	}
	if err := os.Remove(filepath.Join(app.options.App, ".fails")); err != nil {
		t.Fatal(err)
	}
	if got, err := app.prepare(); err != nil || got != again+", "+runs {
		t.Errorf("after it was mended ran %q, %v", got, err)
	}
}

func TestPrepareWithoutNode(t *testing.T) {
	app := newTestApp(t)
	t.Setenv("PATH", t.TempDir())
	if _, err := app.prepare(); exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), "install Node.js") {
		t.Errorf("exit %d: %v", exit.Code(err), err)
	}
}

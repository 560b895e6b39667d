package convexcli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/release"
)

// layOut makes an app with the package convex at modules, relative to the app.
func layOut(t *testing.T, modules, version string) Options {
	t.Helper()
	app := filepath.Join(t.TempDir(), "services", "web")
	pkg := filepath.Join(app, modules, "convex")
	for _, dir := range []string{filepath.Join(pkg, "bin"), filepath.Join(app, modules, ".bin"), filepath.Join(app, "path")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pushtest.WriteFile(t, filepath.Join(pkg, "package.json"), fmt.Sprintf(`{"name":"convex","version":%q,"engines":{"npm":">=7.0.0","node":">=22.0.0"}}`, version))
	pushtest.WriteFile(t, filepath.Join(pkg, "bin", "main.js"), "#!/usr/bin/env node\nimport(\"../dist/cli.js\");\n")
	return Options{AppDir: app, Environ: []string{"PATH=" + filepath.Join(app, "path")}}
}

func installCLI(t *testing.T, version string) Options {
	t.Helper()
	return layOut(t, "node_modules", version)
}

// link makes a link in the app and the folders above it.
func (o Options) link(t *testing.T, target, name string) {
	t.Helper()
	path := filepath.Join(o.AppDir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// install puts programs into the PATH of the app.
func (o Options) install(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(o.AppDir, "path", name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindCLIChoosesARuntime(t *testing.T) {
	for want, installed := range map[string][]string{"bun": {"bun", "node"}, "node": {"node"}} {
		o := installCLI(t, "1.35.1")
		o.install(t, installed...)
		cli, err := Find(o)
		if err != nil {
			t.Fatal(err)
		}
		expected := []string{filepath.Join(o.AppDir, "path", want), filepath.Join(o.AppDir, "node_modules/convex/bin/main.js")}
		if !slices.Equal(cli.argv, expected) || cli.version != (release.Version{1, 35, 1}) || cli.Label != "1.35.1" {
			t.Errorf("with %v: %+v", installed, cli)
		}
	}
	if _, err := Find(installCLI(t, "1.35.1")); exit.Code(err) != exit.NotFound || !strings.Contains(err.Error(), "neither bun nor node") {
		t.Errorf("without a runtime: %v", err)
	}
}

func TestFindCLIWherePackageManagersPutIt(t *testing.T) {
	hoisted := func(*testing.T, Options) {}
	for name, layout := range map[string]struct {
		modules string // where the package is, from the app
		link    func(*testing.T, Options)
	}{
		"in the app":                   {"node_modules", hoisted},
		"hoisted by npm or bun":        {"../../node_modules", hoisted},
		"hoisted above the repository": {"../../../node_modules", hoisted},
		"pnpm, whose command is a shell script": {"../../node_modules/.pnpm/convex@1.35.1/node_modules", func(t *testing.T, o Options) {
			o.link(t, "../../../node_modules/.pnpm/convex@1.35.1/node_modules/convex", "node_modules/convex")
			if err := os.Mkdir(filepath.Join(o.AppDir, "node_modules", ".bin"), 0o755); err != nil {
				t.Fatal(err)
			}
			pushtest.WriteFile(t, filepath.Join(o.AppDir, "node_modules", ".bin", "convex"), "#!/bin/sh\nexec node \"$basedir/../convex/bin/main.js\"")
		}},
		"bun, isolated": {"../../node_modules/.bun/convex@1.35.1+8a1/node_modules", func(t *testing.T, o Options) {
			o.link(t, "../../../node_modules/.bun/convex@1.35.1+8a1/node_modules/convex", "node_modules/convex")
			o.link(t, "../convex/bin/main.js", "node_modules/.bin/convex")
		}},
		"only the command": {"../../elsewhere/node_modules", func(t *testing.T, o Options) {
			o.link(t, "../../elsewhere/node_modules/convex/bin/main.js", "../../node_modules/.bin/convex")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := layOut(t, layout.modules, "1.35.1")
			o.install(t, "node")
			layout.link(t, o)
			cli, err := Find(o)
			if err != nil || cli.Label != "1.35.1" || cli.argv[0] != filepath.Join(o.AppDir, "path", "node") {
				t.Fatalf("%+v, %v", cli, err)
			}
			script, err := filepath.EvalSymlinks(cli.argv[1])
			if want := filepath.Join(o.AppDir, layout.modules, "convex/bin/main.js"); err != nil || script != want {
				t.Errorf("%s, want %s (%v)", script, want, err)
			}
		})
	}
}

func TestFindCLISaysWhereItLooked(t *testing.T) {
	app := t.TempDir()
	_, err := Find(Options{AppDir: app})
	if exit.Code(err) != exit.NotFound || !strings.Contains(err.Error(), "of "+app+" or of a folder above it") {
		t.Errorf("%v", err)
	}
}

func TestFindCLITakesACommandAsItIs(t *testing.T) {
	o := installCLI(t, "1.35.1")
	o.install(t, "bunx", "node")
	o.Command = []string{"bunx", "convex"}
	cli, err := Find(o)
	if err != nil || !slices.Equal(cli.argv, []string{filepath.Join(o.AppDir, "path", "bunx"), "convex"}) || cli.Label != "" {
		t.Errorf("%+v, %v", cli, err)
	}
	o.Command = []string{"node_modules/convex/bin/main.js"}
	if cli, err = Find(o); err != nil || filepath.Base(cli.argv[0]) != "node" || !filepath.IsAbs(cli.argv[1]) {
		t.Errorf("%+v, %v", cli, err)
	}
}

func TestDeployArgsFitTheVersion(t *testing.T) {
	const all = "--push-all-modules"
	for version, want := range map[string]string{
		"1.32.0":       "--allow-deleting-large-indexes",
		"1.46.2":       "--allow-deleting-large-indexes",
		"1.47.0":       "--skip-large-indexes-check --allow-unstaging-schema",
		"2.0.0-beta.1": "--skip-large-indexes-check --allow-unstaging-schema",
		"1.20.0":       "",
		"unknown":      "",

		"1.31.6 " + all:  "--allow-deleting-large-indexes",
		"1.31.7 " + all:  all + " --allow-deleting-large-indexes",
		"1.48.0 " + all:  all + " --skip-large-indexes-check --allow-unstaging-schema",
		"unknown " + all: "",
	} {
		version, everything := strings.CutSuffix(version, " "+all)
		o := installCLI(t, version)
		o.install(t, "node")
		cli, err := Find(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cli.DeployArgs(everything)[6:], " "); got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

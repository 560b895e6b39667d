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

// installCLI lays out an app as npm does: a link in node_modules/.bin to the
// package's script.
func installCLI(t *testing.T, version string) Options {
	t.Helper()
	app := t.TempDir()
	pkg := filepath.Join(app, "node_modules", "convex")
	for _, dir := range []string{filepath.Join(pkg, "bin"), filepath.Join(app, "node_modules", ".bin"), filepath.Join(app, "path")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pushtest.WriteFile(t, filepath.Join(pkg, "package.json"), fmt.Sprintf(`{"name":"convex","version":%q}`, version))
	pushtest.WriteFile(t, filepath.Join(pkg, "bin", "main.js"), "#!/usr/bin/env node\nimport(\"../dist/cli.js\");\n")
	if err := os.Symlink("../convex/bin/main.js", filepath.Join(app, "node_modules", ".bin", "convex")); err != nil {
		t.Fatal(err)
	}
	return Options{AppDir: app, Environ: []string{"PATH=" + filepath.Join(app, "path")}}
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
		expected := []string{filepath.Join(o.AppDir, "path", want), filepath.Join(o.AppDir, defaultCommand)}
		if !slices.Equal(cli.argv, expected) || cli.version != (release.Version{1, 35, 1}) || cli.Label != "1.35.1" {
			t.Errorf("with %v: %+v", installed, cli)
		}
	}
	if _, err := Find(installCLI(t, "1.35.1")); exit.Code(err) != exit.NotFound || !strings.Contains(err.Error(), "neither bun nor node") {
		t.Errorf("without a runtime: %v", err)
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
	for version, want := range map[string]string{
		"1.32.0":       "--allow-deleting-large-indexes",
		"1.46.2":       "--allow-deleting-large-indexes",
		"1.47.0":       "--skip-large-indexes-check --allow-unstaging-schema",
		"2.0.0-beta.1": "--skip-large-indexes-check --allow-unstaging-schema",
		"1.20.0":       "",
		"unknown":      "",
	} {
		o := installCLI(t, version)
		o.install(t, "node")
		cli, err := Find(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cli.DeployArgs()[6:], " "); got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

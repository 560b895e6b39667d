package convexcli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/release"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/nodemodules"
)

// Options say how the convex CLI is run.
type Options struct {
	// Command is the CLI and arguments that go before its own; empty is the CLI of
	// the release that the app itself depends on.
	// A script that asks for node is run by bun, or by node where there is no bun.
	Command []string
	// AppDir is the app's folder, with package.json and convex/.
	AppDir string
	// Environ is the environment of the CLI, "NAME=VALUE" each, from which the
	// driver takes out what would lead it elsewhere.
	Environ []string
}

// cli is a CLI that was found.
type cli struct {
	options Options
	argv    []string
	runtime string          // what runs the script, "" for a program
	node    string          // what its package demands of Node.js, such as ">=22.0.0"
	version release.Version // zero when it is not known
	Label   string          // the version as its package says it, "" when not known
}

// Find resolves the command. The error carries the exit code 126 or 127.
func Find(o Options) (cli, error) {
	path, err := locate(o)
	if err != nil {
		return cli{}, fmt.Errorf("cannot find the convex CLI: %w", err)
	}
	cli := cli{options: o, argv: []string{path}}
	if cli.runtime, err = runtimeFor(path, o); err != nil {
		return cli, err
	}
	if cli.runtime != "" {
		cli.argv = []string{cli.runtime, path}
	}
	if len(o.Command) > 0 {
		cli.argv = append(cli.argv, o.Command[1:]...)
	}
	cli.Label, cli.node = packageOf(path)
	if v, err := release.Parse(cli.Label); err == nil {
		cli.version = v
	}
	return cli, nil
}

func locate(o Options) (string, error) {
	if len(o.Command) > 0 {
		return lookCommand(o.Command[0], o)
	}
	// The package before the command: what pnpm writes to .bin is a shell script,
	// which neither says its release nor runs where there is no shell.
	if path := nodemodules.Find(o.AppDir, "convex/bin/main.js", ".bin/convex"); path != "" {
		return path, nil
	}
	return "", exit.Errorf(exit.NotFound, "no node_modules of %s or of a folder above it has the package convex", o.AppDir)
}

// lookCommand finds a file: one with a slash relative to the app's folder, one
// without in the PATH that the CLI will have.
func lookCommand(name string, o Options) (string, error) {
	if !strings.Contains(name, "/") {
		return lookPath(name, o.Environ)
	}
	if !filepath.IsAbs(name) {
		absolute, err := filepath.Abs(filepath.Join(o.AppDir, name))
		if err != nil {
			return "", err
		}
		name = absolute
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", exit.Errorf(exit.NotFound, "%s: no such file", name)
	case err != nil:
		return "", exit.With(exit.NotExecutable, err)
	case info.IsDir():
		return "", exit.Errorf(exit.NotExecutable, "%s: is a folder", name)
	}
	return name, nil
}

func lookPath(name string, environ []string) (string, error) {
	path := ""
	for _, variable := range environ {
		if value, is := strings.CutPrefix(variable, "PATH="); is {
			path = value
		}
	}
	for _, folder := range filepath.SplitList(path) {
		if found, err := exec.LookPath(filepath.Join(folder, name)); err == nil && filepath.IsAbs(found) {
			return found, nil
		}
	}
	return "", exit.Errorf(exit.NotFound, "%s: not found in PATH (%s)", name, path)
}

// packageOf returns the version of the npm package that the command, which may be
// a link, belongs to, and what it demands of Node.js.
func packageOf(path string) (version, node string) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", ""
	}
	for dir := filepath.Dir(real); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err != nil {
			continue
		}
		var manifest struct {
			Name, Version string
			Engines       struct{ Node string }
		}
		if json.Unmarshal(data, &manifest) == nil && manifest.Name == "convex" {
			return manifest.Version, manifest.Engines.Node
		}
	}
	return "", ""
}

// stopWait is how long the CLI has after SIGTERM before it is killed. It has
// nothing to save: a push that is not finished is not applied.
const stopWait = time.Second

// Process returns a run of the CLI with the given arguments, credentials, and
// secrets to keep from it. The caller decides about its output.
func (c cli) Process(url, adminKey string, secrets map[string]string, args ...string) supervise.Process {
	return supervise.Process{
		Name: "convex",
		Argv: slices.Concat(c.argv, args),
		Dir:  c.options.AppDir,
		Env:  environ(c.options.Environ, url, adminKey, secrets),
		Stop: []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: stopWait}},
	}
}

// DeployArgs returns the arguments of a deploy that asks no question and changes
// nothing in the app's folder.
//
// A CLI that has no terminal ends with an error where it would ask whether an
// index of a large table may be deleted or built; which flag answers that depends
// on its version (cli/lib/command.ts and cli/deploy.ts of the packages).
//
// all has it send every module with its source. Before 1.31.7 the CLI did nothing
// else; one of unknown version is not asked to.
func (c cli) DeployArgs(all bool) []string {
	args := []string{"deploy", "--typecheck", "disable", "--codegen", "disable", "-y"}
	if all && c.version != (release.Version{}) && !c.version.Before(release.Version{1, 31, 7}) {
		args = append(args, "--push-all-modules")
	}
	switch {
	case c.version == release.Version{}, c.version.Before(release.Version{1, 30, 0}):
		return args
	case c.version.Before(release.Version{1, 47, 0}):
		return append(args, "--allow-deleting-large-indexes")
	default:
		return append(args, "--skip-large-indexes-check", "--allow-unstaging-schema")
	}
}

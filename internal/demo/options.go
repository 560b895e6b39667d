package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// options say what a demo runs.
type options struct {
	App     string // folder of the app
	Bin     string // folder of our binaries
	Backend string // the official backend's file, "real", or "" for the simulator
	Dir     string // folder for data; empty means a throw-away one
	Driver  string // auto, native or cli
	Keep    bool   // keep a throw-away folder
	Once    bool   // check and end
	Verbose bool   // service logs on the terminal
}

// driverCLI is the driver that runs the app's own convex command.
const driverCLI = "cli"

// binaries are what a demo starts, itself excepted.
var binaries = []string{"convex-sim", "convex-entrypoint", "platform-entrypoint", "proxy"}

// complete makes all folders absolute and reports whatever is missing.
func (o *options) complete() error {
	if !slices.Contains([]string{"auto", "native", driverCLI}, o.Driver) {
		return exit.Errorf(exit.Usage, "cannot use the driver %q: auto, native and cli are known", o.Driver)
	}
	if o.Bin == "" {
		executable, err := os.Executable()
		if err != nil {
			return fmt.Errorf("cannot find the other binaries: %w; name their folder with --bin", err)
		}
		o.Bin = filepath.Dir(executable)
	}
	for _, folder := range []*string{&o.App, &o.Bin, &o.Dir} {
		if *folder == "" {
			continue
		}
		absolute, err := filepath.Abs(*folder)
		if err != nil {
			return fmt.Errorf("cannot find %s: %w", *folder, err)
		}
		*folder = absolute
	}
	return o.check()
}

func (o *options) check() error {
	var problems []error
	if _, err := os.Stat(filepath.Join(o.App, "package.json")); err != nil {
		problems = append(problems, fmt.Errorf("cannot use the app: %w; name its folder with --app (make demo APP=DIR)", err))
	} else if err := checkFunctions(o.App); err != nil {
		problems = append(problems, err)
	} else if _, err := os.Stat(filepath.Join(o.App, "server.ts")); err != nil && webCommand(o.App) == defaultWebCommand {
		problems = append(problems, fmt.Errorf("cannot serve the app: it has neither a script start in package.json nor a server.ts; docs/your-app.md has one for static files"))
	}
	for _, name := range binaries {
		if _, err := os.Stat(filepath.Join(o.Bin, name)); err != nil {
			problems = append(problems, fmt.Errorf("cannot use our binaries: %w; build them with: make build", err))
		}
	}
	return exit.With(exit.Usage, errors.Join(problems...))
}

// hasInConvex reports whether the folder of the functions has a file or folder, "" for itself;
// with a convex.json, which may name another folder, that is not known to be missing.
func hasInConvex(app, name string) bool {
	_, named := os.Stat(filepath.Join(app, "convex.json"))
	_, err := os.Stat(filepath.Join(app, "convex", name))
	return named == nil || err == nil
}

// checkFunctions looks for the functions of the app.
func checkFunctions(app string) error {
	if !hasInConvex(app, "") {
		var members []string
		for _, depth := range []string{"*", "*/*"} {
			found, _ := filepath.Glob(filepath.Join(app, depth, "convex", "_generated"))
			for _, folder := range found {
				members = append(members, filepath.Dir(filepath.Dir(folder)))
			}
		}
		if len(members) > 0 {
			return fmt.Errorf("cannot use the app: there is no folder convex in %s; name the package that has it: %s", app, strings.Join(members, ", "))
		}
		return fmt.Errorf("cannot use the app: there is no folder convex in %s", app)
	}
	return nil
}

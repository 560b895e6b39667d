package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// stopPatience is how long a step or a service may take to end before it is
// killed. The services' own limits, which the environments set, are shorter.
const stopPatience = 15 * time.Second

// step is one command for the app. It runs only when its inputs differ from those
// of its last success, or when what it makes is not there.
type step struct {
	name   string
	dir    string
	root   string   // of the inputs
	inputs []string // below root
	makes  string
	argv   []string
}

// steps returns what turns a fresh checkout of the app into something to run.
func steps(o options, root string, packages installer) []step {
	sources := []string{".", ".npmrc"}
	all := []step{
		{"packages", root, root, []string{packages.lock, "package.json", ".npmrc"}, filepath.Join(root, "node_modules"), packages.argv},
		// An app that builds into another folder is built at each start.
		{"build", o.App, root, sources, filepath.Join(o.App, "dist"), []string{"npm", "run", "build"}},
		{"request", o.App, root, sources, pushRequest(o.App), []string{filepath.Join(o.Bin, "platform-entrypoint"), "push-index", "--app", o.App, pushRequest(o.App)}},
	}
	if o.Driver == driverCLI {
		return all[:2]
	}
	return all
}

// prepare brings the app up to date, and reports whether there is what the
// simulator runs its functions with.
func prepare(ctx context.Context, screen *screen, o options, f *folder, own config.Environ) (runs bool, err error) {
	for _, command := range []string{"node", "npm"} {
		if _, err := exec.LookPath(command); err != nil {
			return false, exit.Errorf(exit.Unavailable, "cannot find the command %s: install Node.js 20.19 or newer, which brings it", command)
		}
	}
	root, packages, err := workspace(o.App)
	if err != nil {
		return false, err
	}
	warnOfUngenerated(screen, o.App)
	for _, step := range steps(o, root, packages) {
		if err := step.run(ctx, screen, o, f, own); err != nil {
			return false, err
		}
	}
	if o.Backend != "" {
		return false, nil
	}
	return installRunner(ctx, screen, o, f, own)
}

// warnOfUngenerated says that what the convex CLI makes of the functions is not there. Most
// pages need it; a build may make it, or the app do without.
func warnOfUngenerated(screen *screen, app string) {
	if !hasInConvex(app, "_generated") {
		screen.row("app", "generated", 0, "there is no folder convex/_generated: if the build misses it, `npx convex dev` writes it, to be kept in git (docs/your-app.md)")
	}
}

// installRunner installs what the simulator runs functions with. A demo without it
// is half a one, and better than none.
func installRunner(ctx context.Context, screen *screen, o options, f *folder, own config.Environ) (runs bool, err error) {
	dir := functionRunner(o.App)
	if err := runner.WriteManifest(dir); err != nil {
		return false, err
	}
	install := step{"runner", dir, dir, runner.Manifest(), filepath.Join(dir, "node_modules"), runner.InstallCommand()}
	err = install.run(ctx, screen, o, f, own)
	if err == nil || ctx.Err() != nil {
		return err == nil, err
	}
	screen.row("app", install.name, 0, "functions are NOT RUN in this demo: npm could not install what the simulator runs them with; see "+f.join("logs", install.name+".log"))
	return false, nil
}

func (s step) run(ctx context.Context, screen *screen, o options, f *folder, own config.Environ) error {
	now, err := digest(s.root, s.inputs...)
	if err != nil {
		return err
	}
	last := stamp(kept(o.App, s.name))
	if _, err := os.Stat(s.makes); err == nil && last.matches(now) {
		screen.row("app", s.name, 0, "up to date")
		return nil
	}
	screen.doing("app", s.name, fmt.Sprintf("%v …", s.argv))
	began := time.Now()
	if err := s.execute(ctx, screen, o, f, own); err != nil {
		return err
	}
	screen.row("app", s.name, time.Since(began), "")
	return last.write(now)
}

func (s step) execute(ctx context.Context, screen *screen, o options, f *folder, own config.Environ) error {
	log, err := openServiceLog(f, s.name, screen.relay(o.Verbose, s.name))
	if err != nil {
		return err
	}
	defer log.close()
	status, err := supervise.Run(ctx, logging.Discard(), supervise.Process{
		Name: s.name, Argv: s.argv, Dir: s.dir, Env: npmEnvironment(own).List(), Line: log.line,
		Stop: []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: stopPatience}},
	})
	if err != nil {
		return err
	}
	if !status.Success() {
		return exit.With(status.ExitCode(), log.explain(fmt.Errorf("cannot prepare the app: %v ended with %s", s.argv, status)))
	}
	return nil
}

// npmEnvironment returns the demo's own, for npm's configuration of registries and
// caches, without what would make its tools talk to anybody else.
func npmEnvironment(own config.Environ) config.Environ {
	environ := config.Environ{}
	for name, value := range own {
		environ[name] = value
	}
	environ["CI"] = "1"
	environ["DO_NOT_TRACK"] = "1"
	environ["NO_COLOR"] = "1" // to tools that colour what a CI runs
	return environ
}

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
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// pushRequest is where the app's script puts the request of the native driver.
const pushRequest = "dist/push-request.json"

// stopPatience is how long a step or a service may take to end before it is
// killed. The services' own limits, which the environments set, are shorter.
const stopPatience = 15 * time.Second

// step is one npm command of the app. It runs only when its inputs differ from
// those of its last success, or when what it makes is not there.
type step struct {
	name   string
	inputs []string
	makes  string
	argv   []string
}

// steps are what turns a fresh checkout of the app into something to run.
func steps(driver string) []step {
	install := step{"packages", []string{"package.json", "package-lock.json", ".npmrc"}, "node_modules/.bin/bun", []string{"npm", "ci"}}
	build := step{"build", []string{".", "package-lock.json"}, "dist/server/server.js", []string{"npm", "run", "build"}}
	request := step{"push request", []string{"convex", "scripts", "package.json", "package-lock.json"}, pushRequest, []string{"npm", "run", "push-request"}}
	if driver == driverCLI {
		return []step{install, build}
	}
	return []step{install, build, request}
}

// prepare brings the app up to date.
func prepare(ctx context.Context, screen *screen, o options, f *folder, own config.Environ) error {
	for _, command := range []string{"node", "npm"} {
		if _, err := exec.LookPath(command); err != nil {
			return exit.Errorf(exit.Unavailable, "cannot find the command %s: install Node.js 20 or newer, which brings it", command)
		}
	}
	for _, step := range steps(o.Driver) {
		if err := step.run(ctx, screen, o, f, own); err != nil {
			return err
		}
	}
	return nil
}

func (s step) run(ctx context.Context, screen *screen, o options, f *folder, own config.Environ) error {
	now, err := digest(o.App, s.inputs...)
	if err != nil {
		return err
	}
	last := stamp(filepath.Join(o.App, "node_modules", ".cache", "tale-demo", s.argv[len(s.argv)-1]))
	if _, err := os.Stat(filepath.Join(o.App, s.makes)); err == nil && last.matches(now) {
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
	log, err := openServiceLog(f, s.argv[len(s.argv)-1], screen.relay(o.Verbose, "npm"))
	if err != nil {
		return err
	}
	defer log.close()
	status, err := supervise.Run(ctx, logging.Discard(), supervise.Process{
		Name: "npm", Argv: s.argv, Dir: o.App, Env: npmEnvironment(own).List(), Line: log.line,
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

// npmEnvironment is the demo's own, for npm's configuration of registries and
// caches, without what would make its tools talk to anybody else.
func npmEnvironment(own config.Environ) config.Environ {
	environ := config.Environ{}
	for name, value := range own {
		environ[name] = value
	}
	environ["CI"] = "1"
	environ["DO_NOT_TRACK"] = "1"
	return environ
}

package boot

import (
	"context"
	"os"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// roleVariable makes the test binary the entrypoint of a small service, so that
// the tests use real processes.
const roleVariable = "TALE_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "entrypoint" {
		os.Exit(cli.Main(entrypoint(config.FromOS())))
	}
	os.Exit(m.Run())
}

// fakeSettings are those of the small service.
type fakeSettings struct {
	Boot  Settings
	Token config.Secret `env:"TOKEN" secret:"true"`
	Fail  bool          `env:"FAIL"`
}

// entrypoint boots a service that has one stage and one child: it prints its
// token, its user and its child's environment, and then waits for a stop. The
// child also tries to read the environment of its parent, and tells whether it
// has a descriptor that is not its own.
func entrypoint(environ config.Environ) *cobra.Command {
	root := &cobra.Command{Use: "fake-entrypoint"}
	e := Entrypoint{Service: "fake", Environ: cli.EnvFile(root, environ)}
	run := e.Command("run", "Serve", func(ctx context.Context, p Process) error { return bootFake(ctx, p, "") })
	root.RunE, root.Annotations = run.RunE, run.Annotations
	root.AddCommand(run, e.Command("work", "Do the job", func(ctx context.Context, p Process) error { return bootFake(ctx, p, "work") }))
	root.AddCommand(e.Inspect()...)
	return root
}

func bootFake(ctx context.Context, p Process, job string) error {
	settings := &fakeSettings{}
	problems := p.Load(settings)
	entered := p.Enter(ctx, settings.Boot, Folders{})
	b := New(p.Log, Options{Service: "fake", Version: "1", Settings: settings.Boot, Job: job})
	plan := Plan{
		Config: func(context.Context) (string, error) {
			if problems != nil {
				return "", problems
			}
			return "", entered
		},
		Stages: []Stage{{"look", func(ctx context.Context) (string, error) {
			if settings.Fail {
				return "", exit.Errorf(exit.Unavailable, "cannot look")
			}
			p.Log.Info("seen", "token", settings.Token.Reveal(), "uid", os.Getuid())
			_, err := supervise.Run(ctx, p.Log, supervise.Process{Name: "child", Argv: []string{"sh", "-c", "env; cat /proc/$PPID/environ; [ -e /proc/$$/fd/5 ] && echo descriptor 5; true"}, Env: p.Environ.List()})
			return "all of it", err
		}}},
		Serve: func(ctx context.Context) error {
			b.Begin("serve")("", nil)
			b.Ready()
			<-ctx.Done()
			b.Drain()
			return nil
		},
		Serving: []string{"serve"},
	}
	if job != "" {
		plan.Stages = append(plan.Stages, Stage{"work", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", context.Cause(ctx)
		}})
		plan.Serve, plan.Serving = nil, nil
	}
	return b.Run(ctx, plan)
}

package entrypoint_test

import (
	"context"
	"os"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestMain lets the test binary be the entrypoint of a small service, so that the
// tests use real processes.
func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{
		"entrypoint": func() int { return cli.Main(fakeEntrypoint(config.FromOS())) },
	}))
}

// fakeSettings are those of the small service.
type fakeSettings struct {
	entrypoint.Settings
	Token config.Secret `env:"TOKEN" secret:"true"`
	Fail  bool          `env:"FAIL"`
	Code  int           `env:"FAIL_CODE" envDefault:"69"`
}

// fakeEntrypoint boots a service that has one stage and one child: it prints its
// token, its user and its child's environment, and then waits for a stop. The
// child also tries to read the environment of its parent, and tells whether it
// has a descriptor that is not its own.
func fakeEntrypoint(environ config.Environ) *cobra.Command {
	root := &cobra.Command{Use: "fake-entrypoint"}
	e := entrypoint.New("fake", root, environ)
	command := func(use, job string) *cobra.Command {
		run := func(ctx context.Context, inv entrypoint.Invocation) error { return bootFake(ctx, inv, job) }
		return e.Booting(&cobra.Command{Use: use, Short: "Boot"}, cli.Manual{Reads: cli.Reading(fakeSettings{})}, run)
	}
	e.Add(root, command("run", ""), command("work", "work"))
	return root
}

func bootFake(ctx context.Context, inv entrypoint.Invocation, job string) error {
	settings := &fakeSettings{}
	unusable := inv.Prepare(ctx, settings, &settings.Settings, func() entrypoint.Folders { return entrypoint.Folders{} })
	b := boot.New(inv.Log, boot.Options{Service: "fake", Version: "1", Settings: settings.Boot, Job: job})
	plan := boot.Plan{
		Config: func(context.Context) (string, error) { return "", unusable },
		Stages: []boot.Stage{{Name: "look", Run: func(ctx context.Context) (string, error) {
			if settings.Fail {
				return "", report.New(settings.Code, "cannot look", "it is dark", "light a lamp").Err(nil)
			}
			inv.Log.Info("seen", "token", settings.Token.Reveal(), "uid", os.Getuid())
			_, err := supervise.Run(ctx, inv.Log, supervise.Process{Name: "child", Argv: []string{"sh", "-c", "env; cat /proc/$PPID/environ; [ -e /proc/$$/fd/5 ] && echo descriptor 5; true"}, Env: inv.Environ.List()})
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
		plan.Stages = append(plan.Stages, boot.Stage{Name: "work", Run: func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", context.Cause(ctx)
		}})
		plan.Serve, plan.Serving = nil, nil
	}
	return b.Run(ctx, plan)
}

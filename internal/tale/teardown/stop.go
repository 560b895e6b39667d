package teardown

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
)

func (a *app) stopCommand() *cobra.Command {
	t := tidying{done: "stopped; containers and data are there still: `tale deploy` starts them, or `tale start` those for development"}
	var development, all bool
	command := &cobra.Command{
		Use:   "stop",
		Short: "Stop the stack, in order and without loss",
		Long: `Stop the project's containers: first the web application, which finishes the requests
under way, then the services that it calls, the proxy, convex, and the database, each
within the grace period of its own. They stay stopped until they are started again,
also over a restart of the host; nothing is removed.

Exit codes: 0 done, or nothing to do; 1 something could not be stopped; 10 a dry run
with something to do; 64 usage; 69 the engine is unreachable; 75 locked; 77
permission; 78 configuration; 130 interrupted.`,
		Example: "  tale stop\n  tale stop --dev      # the development stack\n  tale stop --all      # both",
	}
	tidyFlags(command, &t)
	command.Flags().BoolVar(&development, "dev", false, "stop the development stack instead")
	command.Flags().BoolVar(&all, "all", false, "stop both")
	command.RunE = func(command *cobra.Command, _ []string) error {
		return a.told(command, t.dryRun, func(out *console.Progress) error {
			p, err := a.Open()
			if err != nil {
				return err
			}
			var projects []string
			if all || !development {
				projects = compose.Projects(p.File.ID)
			}
			if all || development {
				projects = append(projects, compose.DevelopmentID(p.File.ID))
			}
			return a.OnEngine(command, p, a.left(command, out), func(ctx context.Context, s *session.Session) error {
				t.plan = func(ctx context.Context) (tidy.Plan, error) {
					containers, err := s.Engine.Containers(ctx, projects...)
					return tidy.Stop(p.File.ID, containers), err
				}
				return a.tidy(ctx, command, s, t, out)
			})
		})
	}
	return command
}

package teardown

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/data"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
)

func (a *app) cleanupCommand() *cobra.Command {
	t := tidying{done: "done; `tale status` shows what is there"}
	var keep, keepSnapshots uint
	command := &cobra.Command{
		Use:   "cleanup",
		Short: "Remove containers that were replaced, and images that are not needed",
		Long: `Remove the containers of this project that have stopped and been replaced (colours
that are retired, and those that failed and were kept to be looked into), and images
that come from where the project's come from, if no container uses them and they are
of none of the last releases. Nothing else is touched: no volume, no running
container, nothing of another project.

Of the snapshots that tale deploy --snapshot has taken the last three stay, or as many
as --keep-snapshots says, and the last one of each release that has its images yet.

Exit codes: 0 done, or nothing to do; 1 something could not be removed; 10 a dry run
with something to do; 64 usage; 69 the engine is unreachable; 75 locked; 77
permission; 78 configuration; 130 interrupted.`,
		Example: "  tale cleanup --dry-run\n  tale cleanup --keep 3",
	}
	tidyFlags(command, &t)
	session.KeepFlag(command, &keep)
	command.Flags().UintVar(&keepSnapshots, "keep-snapshots", 3, "how many snapshots (`N`) stay, besides those of the releases that keep their images")
	command.RunE = func(command *cobra.Command, _ []string) error {
		return a.told(command, t.dryRun, func(out *console.Progress) error {
			ctx, stop := console.Interruptible(command.Context(), func() {}, a.left(command, out))
			defer stop()
			s, err := a.Session(ctx)
			if err != nil {
				return session.Interrupted(ctx, err)
			}
			defer s.Close()
			t.plan = func(ctx context.Context) (tidy.Plan, error) { return cleanup(ctx, s, int(keep), int(keepSnapshots)) }
			return a.tidy(ctx, command, s, t, out)
		})
	}
	return command
}

// cleanup plans what may go.
func cleanup(ctx context.Context, s *session.Session, keep, keepSnapshots int) (tidy.Plan, error) {
	state, err := s.Observed(ctx)
	if err != nil {
		return tidy.Plan{}, err
	}
	everything, err := s.Engine.Everything(ctx)
	if err != nil {
		return tidy.Plan{}, err
	}
	var notes []string
	plan := tidy.Cleanup(s.Project.File.ID, state, func(gone []string) (unused []engine.Image) {
		left := slices.DeleteFunc(everything, func(c engine.Container) bool { return slices.Contains(gone, c.ID) })
		unused, notes = s.Unused(state, left, s.Release(""), keep)
		return unused
	})
	plan.Notes = append(plan.Notes, notes...)
	old, err := data.OldSnapshots(s, keep, keepSnapshots)
	plan.Snapshots = append(plan.Snapshots, old...)
	return plan, err
}

package tale

import (
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/tale/volume"
)

// helperCommand returns what helper containers beside the engine run.
func helperCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "helper",
		Short:  "For tale itself, in containers beside the engine",
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			switch {
			case volume.Helps(args):
				return volume.Helper(command.Context(), "/", args, command.InOrStdin(), command.OutOrStdout())
			case migration.Helps(args):
				return migration.Helper(args, command.OutOrStdout())
			case backup.Helps(args):
				return backup.Helper(command.Context(), backup.VolumeFolder, args, command.InOrStdin(), command.OutOrStdout(), command.ErrOrStderr())
			}
			return engine.Helper(args, command.InOrStdin(), command.OutOrStdout())
		},
	}
}

package tale

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli/version"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this command, which tale deploy deploys",
		Long:    "Print the version of this command. It is the release that tale deploy deploys where\nneither --version nor TALE_VERSION names one.\n\nExit codes: 0 done; 64 usage.",
		Example: "  tale version\n  tale version --json",
		RunE: func(command *cobra.Command, _ []string) error {
			if a.json {
				return printJSON(command.OutOrStdout(), map[string]string{
					"version": version.String(), "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintln(command.OutOrStdout(), version.String())
			return err
		},
	}
}

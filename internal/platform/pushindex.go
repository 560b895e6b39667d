package platform

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push"
)

// pushIndexCommand is part of an image build: it checks the push request that
// the convex CLI wrote, so that a bad one does not become a bad image, and
// writes the module hashes beside it, so that no boot has to compute them.
func pushIndexCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "push-index FILE",
		Short: "Check a prepared push request and write its module index (at image build)",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			summary, err := push.CheckRequest(args[0])
			if err != nil {
				return exit.With(exit.Config, err)
			}
			for _, warning := range summary.Warnings {
				command.PrintErrln("warning:", warning)
			}
			if _, err := push.WriteRequestIndex(args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s\nindex: %s\n", summary, push.IndexPath(args[0]))
			return err
		},
	}
}

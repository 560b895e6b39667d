package platform

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

// pushIndexCommand is part of an image build: it checks the push request that
// the convex CLI wrote, so that a bad one does not become a bad image, and
// writes the module hashes beside it, so that no boot has to compute them. It
// can let the CLI write the request, too, for any app.
func pushIndexCommand() *cobra.Command {
	var app string
	command := &cobra.Command{
		Use:   "push-index FILE",
		Short: "Check a prepared push request and write its module index (at image build)",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			summary, err := prepareRequest(command.Context(), app, args[0])
			if err != nil {
				return exit.With(exit.Config, err)
			}
			for _, warning := range summary.Warnings {
				command.PrintErrln("warning:", warning)
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s\nindex: %s\n", summary, requestfile.IndexPath(args[0]))
			return err
		},
	}
	command.Flags().StringVar(&app, "app", "", "let the convex CLI of the app in this folder write FILE first; nothing is contacted")
	return command
}

// prepareRequest writes what is missing of the request and checks it.
func prepareRequest(ctx context.Context, app, file string) (requestfile.Summary, error) {
	if app != "" {
		cli := convexcli.Options{AppDir: app, Environ: buildEnviron(app)}
		if err := convexcli.WriteRequest(ctx, slog.New(slog.DiscardHandler), cli, file); err != nil {
			return requestfile.Summary{}, err
		}
	}
	return requestfile.Prepare(file)
}

// buildEnviron is the environment of this process, with the app's own programs
// found first.
func buildEnviron(app string) []string {
	environ := config.FromOS()
	environ["PATH"] = filepath.Join(app, "node_modules", ".bin") + string(os.PathListSeparator) + environ["PATH"]
	return environ.List()
}

package platform

import (
	"context"
	"fmt"
	"log/slog"
	"maps"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/sys/nodemodules"
)

// pushIndexCommand returns the command of an image build that checks the push request that
// the convex CLI wrote, so that a bad one does not become a bad image, and
// writes module hashes and compressed pieces beside it, so that no boot has to make
// them. It can let the CLI write the request, too, for any app.
func pushIndexCommand(environ config.Environ) *cobra.Command {
	var app string
	command := &cobra.Command{
		Use:   "push-index FILE",
		Short: "Check a prepared push request, write its module index, compress it (at image build)",
		Long: "Check the push request that the convex CLI wrote, and write module hashes and compressed\npieces beside it. Dockerfiles run it, so that a bad request does not become a bad image." +
			cli.Ends("0 done", exit.Config),
		Example: "  platform-entrypoint push-index /app/push-request.json\n  platform-entrypoint push-index --app /app /app/push-request.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			summary, err := prepareRequest(command.Context(), environ, app, args[0])
			if err != nil {
				return exit.With(exit.Config, err)
			}
			for _, warning := range summary.Warnings {
				command.PrintErrln("warning:", warning)
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s\nindex: %s\npieces: %s\n", summary, requestfile.IndexPath(args[0]), requestfile.PiecesPath(args[0]))
			return err
		},
	}
	command.Flags().StringVar(&app, "app", "", "let the convex CLI of the app in this folder, or CONVEX_CLI, write FILE first; nothing is contacted")
	return cli.Manual{Reads: cli.Reading(CLISettings{}), Page: "docs/deploy.md"}.For(command)
}

// prepareRequest writes what is missing of the request and checks it.
func prepareRequest(ctx context.Context, environ config.Environ, app, file string) (requestfile.Summary, error) {
	if app != "" {
		var settings struct{ CLISettings }
		if err := config.Load(&settings, environ); err != nil {
			return requestfile.Summary{}, err
		}
		environ = maps.Clone(environ)
		environ["PATH"] = nodemodules.Path(app, environ["PATH"])
		options := convexcli.Options{Command: settings.CLI, AppDir: app, Environ: environ.List()}
		if err := convexcli.WriteRequest(ctx, slog.New(slog.DiscardHandler), options, file); err != nil {
			return requestfile.Summary{}, err
		}
	}
	return requestfile.Prepare(file)
}

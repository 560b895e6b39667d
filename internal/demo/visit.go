package demo

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

const visitHelp = `visit checks a running stack from outside, through its proxy. It
takes SITE_URL, INSTANCE_NAME, INSTANCE_SECRET and METRICS_BEARER_TOKEN, as they
are in the stack's .env, from the environment.`

// visitCommand runs the demo's checks against a stack that something else runs,
// such as Docker Compose.
func visitCommand(environ config.Environ) *cobra.Command {
	var d destination
	var httpActions bool
	visit := &cobra.Command{
		Use:   "visit",
		Short: "Check a stack that is running already",
		Long:  visitHelp,
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			d.site, d.instance, d.secret = environ["SITE_URL"], environ["INSTANCE_NAME"], environ["INSTANCE_SECRET"]
			if d.site == "" || d.instance == "" || d.secret == "" {
				return exit.With(exit.Config, errors.New("SITE_URL, INSTANCE_NAME and INSTANCE_SECRET must be set as in the stack's .env"))
			}
			visitor, err := d.visitor()
			if err != nil {
				return err
			}
			defer visitor.Close()
			return runChecks(command.Context(), newScreen(command.OutOrStdout()), visitorChecks(visitor, environ["METRICS_BEARER_TOKEN"], httpActions))
		},
	}
	visit.Flags().StringVar(&d.root, "root", rootFile, "`FILE` with the proxy's root certificate")
	visit.Flags().StringVar(&d.connect, "connect", "", "`HOST:PORT` to connect to instead of the site's own address")
	visit.Flags().BoolVar(&httpActions, "http-actions", true, "the app has the guestbook's HTTP action")
	return visit
}

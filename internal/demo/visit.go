package demo

import (
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	shared "github.com/tale-project/tale-runtime/internal/stack"
)

const visitHelp = `visit checks a running stack from outside, through its proxy. It
takes the settings of the stack's .env from the environment.`

// visitSettings are those of the stack's .env that a visitor needs.
type visitSettings struct {
	Site     string `env:"SITE_URL,required" doc:"Address of the site."`
	Instance shared.Instance
	Metrics  config.Secret `env:"METRICS_BEARER_TOKEN" tier:"operator" secret:"true" doc:"Token of the metrics; without it they are not asked for."`
}

// visitCommand runs the demo's checks against a stack that something else runs,
// such as Docker Compose.
func visitCommand(environ config.Environ) *cobra.Command {
	var d destination
	var httpActions bool
	visit := &cobra.Command{
		Use:   "visit",
		Short: "Check a stack that is running already",
		Long:  visitHelp + cli.Ends("0 all is well; 1 something is not", exit.Config),
		Example: `  set -a; . ./.env; demo visit --root root.crt
  demo visit --root root.crt --connect 127.0.0.1:8443 --http-actions=false`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			var settings visitSettings
			if err := config.Load(&settings, environ); err != nil {
				return err
			}
			d.site, d.instance, d.secret = settings.Site, settings.Instance.Name, settings.Instance.Secret.Reveal()
			visitor, err := d.visitor()
			if err != nil {
				return err
			}
			defer visitor.Close()
			return runChecks(command.Context(), newScreen(command.OutOrStdout()), visitorChecks(visitor, settings.Metrics.Reveal(), httpActions))
		},
	}
	visit.Flags().StringVar(&d.root, "root", rootFile, "`FILE` with the proxy's root certificate")
	visit.Flags().StringVar(&d.connect, "connect", "", "`HOST:PORT` to connect to instead of the site's own address")
	visit.Flags().BoolVar(&httpActions, "http-actions", true, "the app has the guestbook's HTTP action")
	return cli.Manual{Reads: cli.Reading(visitSettings{})}.For(visit)
}

package demo

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

const commandHelp = `demo builds an app with its scripts build and start, and runs the whole stack on loopback: convex-sim
or the official backend under convex-entrypoint, the app under platform-entrypoint,
and the proxy with a certificate of its own. It needs Go's binaries beside itself, Node.js and npm; no
Docker and no root. Ctrl-C stops all of it.`

const demoExamples = `  bin/demo
  bin/demo --app ../my-shop --dir /tmp/my-shop
  bin/demo --once`

// Command returns the demo's command line.
func Command(environ config.Environ) *cobra.Command {
	var o options
	root := &cobra.Command{
		Use:     "demo",
		Short:   "Run the whole stack on this machine",
		Long:    commandHelp + cli.Ends("0 stopped, or with --once all is well; 1 failed"),
		Example: demoExamples,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := o.complete(); err != nil {
				return err
			}
			// The demo tells its story on stdout; the supervisor's log has nothing to add.
			ctx, release := supervise.StopContext(command.Context(), logging.Discard())
			defer release()
			return runDemo(ctx, command.OutOrStdout(), o, environ)
		},
	}
	root.AddCommand(visitCommand(environ), cli.CompletionCommand("demo"))
	flags := root.Flags()
	flags.StringVar(&o.App, "app", filepath.Join("examples", "guestbook"), "`FOLDER` of the app")
	flags.StringVar(&o.Backend, "backend", "", "`FILE` of the official backend to run instead of the simulator, or real: one that the convex client has downloaded, else the pinned release")
	flags.StringVar(&o.Bin, "bin", "", "`FOLDER` of the other binaries (default: where this one is)")
	flags.StringVar(&o.Dir, "dir", "", "`FOLDER` for the data; it is kept, and a second boot in it is warm (default: a throw-away one)")
	flags.StringVar(&o.Driver, "driver", "auto", "what deploys the functions: auto, native or cli")
	flags.BoolVar(&o.Keep, "keep", false, "keep the throw-away folder")
	flags.BoolVar(&o.Once, "once", false, "check the running stack through the proxy, stop it, and exit 0 or 1")
	flags.BoolVar(&o.Verbose, "verbose", false, "show the logs of the services as they come")
	return cli.Manual{Page: "README.md"}.For(root)
}

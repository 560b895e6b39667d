package entrypoint

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

func (e Entrypoint) healthcheck() *cobra.Command {
	var wait time.Duration
	command := e.print(&cobra.Command{
		Use:     "healthcheck",
		Short:   "Exit 0 when the service is ready, 1 with the stage and the reason when not",
		Long:    "Print in one line whether the service is ready, or else its stage and the reason." + cli.Ends("0 ready; 1 not ready", exit.Config),
		Example: e.example("healthcheck"),
	}, Settings{}, func(command *cobra.Command) (string, error) {
		var settings Settings
		if err := e.load(&settings); err != nil {
			return "", err
		}
		markers := settings.Boot.Markers(e.service)
		if wait > 0 {
			return health.Follow(command.Context(), wait, settings.Boot.StatusAddr, markers)
		}
		return health.Check(command.Context(), settings.Boot.StatusAddr, markers)
	})
	command.Flags().DurationVar(&wait, "wait", 0, "wait for a change: until the service is ready or has failed for good, for `DURATION` at most")
	return command
}

// example returns an example of a command in the service's container.
func (e Entrypoint) example(args string) string {
	return "  " + place.Compose().Exec(e.service, e.program+" "+args)
}

func (e Entrypoint) status() *cobra.Command {
	command := status.Command(e.statusSource, e.Sections)
	command.Long = command.Short + ". It asks the running service, or reads the report that it has left." + cli.Ends("0 done; 1 there is neither a service nor a report", exit.Config)
	command.Example = e.example("status") + "\n" + e.example("status --json | jq .failure")
	return cli.Manual{Reads: cli.Reading(Settings{})}.For(command)
}

// print makes a command, of which the texts are given, one that reads settings and
// prints one line.
func (e Entrypoint) print(command *cobra.Command, settings any, line func(*cobra.Command) (string, error)) *cobra.Command {
	command.RunE = func(command *cobra.Command, _ []string) error {
		text, err := line(command)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(command.OutOrStdout(), text)
		return err
	}
	return cli.Manual{Reads: cli.Reading(settings)}.For(command)
}

// load fills the settings that a command needs, and reports problems of these
// alone.
func (e Entrypoint) load(settings any) error {
	environ, err := e.Environ()
	if err != nil {
		return err
	}
	return config.Load(settings, environ)
}

func (e Entrypoint) statusSource() (status.Source, error) {
	var settings Settings
	err := e.load(&settings)
	return status.Source{Addr: settings.Boot.StatusAddr, ReportPath: settings.Boot.ReportPath(e.service, "")}, err
}

// adminKey prints an admin key of the instance.
func (e Entrypoint) adminKey() *cobra.Command {
	const short = "Print an admin key for the Convex dashboard; it gives full access to all data"
	return e.print(&cobra.Command{
		Use:     "admin-key",
		Short:   short,
		Long:    short + ".\nIt does not expire: another INSTANCE_SECRET voids all keys." + cli.Ends("0 done", exit.Config),
		Example: e.example("admin-key"),
	}, stack.Instance{}, func(*cobra.Command) (string, error) {
		var settings struct{ stack.Instance }
		if err := e.load(&settings); err != nil {
			return "", err
		}
		key, err := settings.AdminKey()
		return key, exit.With(exit.Config, err)
	})
}

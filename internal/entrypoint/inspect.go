package entrypoint

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/stack"
)

func (e Entrypoint) healthcheck() *cobra.Command {
	return e.print("healthcheck", "Exit 0 when the service is ready, 1 with the stage and the reason when not", e.checkHealth)
}

// print makes a command that prints one line.
func (e Entrypoint) print(use, short string, line func(*cobra.Command) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(command *cobra.Command, _ []string) error {
			text, err := line(command)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), text)
			return err
		},
	}
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

func (e Entrypoint) checkHealth(command *cobra.Command) (string, error) {
	var settings Settings
	if err := e.load(&settings); err != nil {
		return "", err
	}
	return health.Check(command.Context(), settings.Boot.StatusAddr, settings.Boot.Markers(e.service))
}

func (e Entrypoint) statusSource() (status.Source, error) {
	var settings Settings
	err := e.load(&settings)
	return status.Source{Addr: settings.Boot.StatusAddr, ReportPath: settings.Boot.ReportPath(e.service, "")}, err
}

// adminKey prints an admin key of the instance.
func (e Entrypoint) adminKey() *cobra.Command {
	return e.print("admin-key", "Print an admin key for the Convex dashboard; it gives full access to all data", func(*cobra.Command) (string, error) {
		var settings struct{ stack.Instance }
		if err := e.load(&settings); err != nil {
			return "", err
		}
		key, err := settings.AdminKey()
		return key, exit.With(exit.Config, err)
	})
}

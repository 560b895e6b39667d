package cli

import (
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
)

// EnvFile adds --env-file to a root command and returns the function that
// gives the commands their environment once the flags are parsed.
func EnvFile(root *cobra.Command, environ config.Environ) func() (config.Environ, error) {
	path := root.PersistentFlags().String("env-file", "", "read variables from a dotenv `FILE`; the environment wins over it")
	return func() (config.Environ, error) {
		if *path == "" {
			return environ, nil
		}
		return environ.WithFile(*path)
	}
}

package cli

import (
	"fmt"

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
		complete, repeated, err := environ.WithFile(*path)
		for _, name := range repeated {
			if _, err := fmt.Fprintf(root.ErrOrStderr(), "warning: %s has %s more than once, with different values: the last one counts\n", *path, name); err != nil {
				return nil, err
			}
		}
		return complete, err
	}
}

package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/sys/stopsignal"
)

// healthTimeout bounds a health check; container engines give it a few seconds.
const healthTimeout = 3 * time.Second

// Main runs the proxy's command line and returns its exit code. Called by the
// name caddy, the process is Caddy's own command line with our modules in it.
func Main(args []string) int {
	if filepath.Base(args[0]) == "caddy" {
		stopsignal.Release() // Caddy has its own way with signals
		return caddyMain(args[1:])
	}
	return cli.Main(Command())
}

// Command returns the proxy's command line, for the environment of this process.
func Command() *cobra.Command { return newCommand(config.FromOS()) }

func newCommand(process config.Environ) *cobra.Command {
	root := &cobra.Command{
		Use:   "proxy",
		Short: "The public entry of the stack: TLS, routing, blue/green upstreams",
	}
	environ := cli.EnvFile(root, process)
	load := func() (*Settings, error) {
		env, err := environ()
		if err != nil {
			return nil, err
		}
		s := &Settings{}
		return s, config.Load(s, env)
	}
	run := command("run", "Serve until told to stop (the default)", load, runCommand)
	root.RunE = run.RunE
	root.AddCommand(
		run,
		command("config", "Print the Caddy configuration that would run, as JSON", load, configCommand),
		command("routes", "Print the route table", load, routesCommand),
		validateCommand(environ),
		command("ca", "Print the root certificate of TLS_MODE=selfsigned", load, caCommand),
		statusCommand(load),
		command("healthcheck", "Ask the running proxy for its health; exit 0 or 1", load, healthcheckCommand),
		cli.VersionCommand(),
	)
	return root
}

type action func(ctx context.Context, command *cobra.Command, s *Settings) error

func command(name, short string, load func() (*Settings, error), do action) *cobra.Command {
	return &cobra.Command{
		Use:   name,
		Short: short,
		RunE: func(command *cobra.Command, _ []string) error {
			s, err := load()
			if err != nil {
				return err
			}
			return do(command.Context(), command, s)
		},
	}
}

func runCommand(ctx context.Context, command *cobra.Command, s *Settings) error {
	return run(ctx, s.Logger(command.ErrOrStderr()), s)
}

func configCommand(_ context.Context, command *cobra.Command, s *Settings) error {
	cfg, err := caddyConfig(s)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(command.OutOrStdout())
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(cfg)
}

func routesCommand(_ context.Context, command *cobra.Command, s *Settings) error {
	return s.Table().Write(command.OutOrStdout())
}

// validateCommand reads the settings itself, because it goes on when some of
// them are wrong.
func validateCommand(environ func() (config.Environ, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check the settings and PROXY_SITE_DIR, and report every problem",
		RunE: func(command *cobra.Command, _ []string) error {
			env, err := environ()
			if err != nil {
				return err
			}
			leftOut, err := validate(env)
			for _, file := range leftOut {
				_, _ = fmt.Fprintln(command.OutOrStdout(), "left out:", file)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), "the configuration is valid")
			return err
		},
	}
}

func caCommand(_ context.Context, command *cobra.Command, s *Settings) error {
	certificate, err := readRoot(s)
	if err != nil {
		return err
	}
	_, err = command.OutOrStdout().Write(certificate)
	return err
}

func healthcheckCommand(ctx context.Context, command *cobra.Command, s *Settings) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	said, err := checkHealth(ctx, s)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(command.OutOrStdout(), said)
	return err
}

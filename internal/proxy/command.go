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
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
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
	ends := cli.Ends("0 "+exit.Meaning(0), exit.Unavailable, exit.NoPermission, exit.Config)
	root := &cobra.Command{
		Use:   "proxy",
		Short: "The public entry of the stack: TLS, routing, blue/green upstreams",
		Long: `proxy is the public entry of the stack: TLS, the routes of app and backend, upstreams
that take turns, and a page for the time in which nothing answers. Without a command
it serves (run). Its settings are variables of the environment.` + ends,
		Example: "  proxy --env-file .env",
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
	run := described(runCommand(environ, ends))
	root.RunE = run.RunE
	root.AddCommand(
		run,
		command(&cobra.Command{Use: "config", Short: "Print the Caddy configuration that would run, as JSON"}, load, configCommand),
		command(&cobra.Command{Use: "routes", Short: "Print the route table"}, load, routesCommand),
		validateCommand(environ),
		command(&cobra.Command{Use: "ca", Short: "Print the root certificate of TLS_MODE=selfsigned"}, load, caCommand),
		statusCommand(load),
		doctorCommand(load),
		command(&cobra.Command{
			Use: "healthcheck", Short: "Ask the running proxy for its health; exit 0 or 1",
			Long: "Ask the running proxy for its health." + cli.Ends("0 it serves; 1 it does not, and why", exit.Config),
		}, load, healthcheckCommand),
		cli.CompletionCommand("proxy"),
		cli.VersionCommand("proxy"),
	)
	return cli.Manual{Reads: cli.Reading(Settings{}), Page: "docs/operations.md, docs/environment.md"}.For(root)
}

type action func(ctx context.Context, command *cobra.Command, s *Settings) error

// command makes a command that reads the settings, of which the texts are given.
func command(c *cobra.Command, load func() (*Settings, error), do action) *cobra.Command {
	c.RunE = func(command *cobra.Command, _ []string) error {
		s, err := load()
		if err != nil {
			return err
		}
		return do(command.Context(), command, s)
	}
	return described(c)
}

// described fills in what the help of a command does not say by itself.
func described(c *cobra.Command) *cobra.Command {
	if c.Long == "" {
		c.Long = c.Short + "." + cli.Ends("0 done; 1 failed", exit.Config)
	}
	if c.Example == "" {
		c.Example = "  docker compose exec proxy proxy " + c.Name()
	}
	return cli.Manual{Reads: cli.Reading(Settings{})}.For(c)
}

// runCommand reads the settings itself, because its failures belong in the log.
func runCommand(environ func() (config.Environ, error), ends string) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Serve until told to stop (the default)",
		Long:  "Serve until told to stop." + ends,
		RunE: func(command *cobra.Command, _ []string) error {
			s, stage := &Settings{}, stageConfig
			env, err := environ()
			if err == nil {
				err = config.Load(s, env)
			}
			log := s.Logger(command.ErrOrStderr()) // in the default form where its settings are wrong
			if err == nil {
				stage, err = run(command.Context(), log, s)
			}
			if err != nil {
				failure := report.Explain(stage, err)
				failure.Changed = []string{"nothing"} // what is made in the data folder is made once
				failure.Log(log)
			}
			return cli.Logged(err)
		},
	}
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
	return described(&cobra.Command{
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
	})
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

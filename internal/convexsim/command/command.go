// Package command is the command line of the simulator, which takes the flags of
// convex-local-backend and ends as that does.
package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
)

const commandHelp = `convex-sim takes the place of convex-local-backend in tests and demonstrations.

It speaks the backend's HTTP protocol: environment variables, pushes of functions,
admin keys, file storage, the sync WebSocket. It is NOT a backend. With --runner it
runs the pushed functions in Node.js or Bun, without isolation or limits, with all
documents in memory and in a file of the storage folder. Without, a function answers
null or an error that says so.

It takes the backend's flags and a few of its own. Like the backend it stops gently
on SIGINT only, and at once on a second one.

Faults make it fail. A fault is a list of key=value, separated by commas:
  stage=start_push,status=503,code=OptimisticConcurrencyControlFailure,message=busy,times=2
  stage=wait_for_schema,indexes=3,index-time=2s      the push builds three indexes
  stage=wait_for_schema,schema-error=bad document,table=notes
  stage=finish_push,drop=headers                     done, but the answer is lost
  stage=running,delay=5s,exit=0                      the database lease is lost
  stage=start,delay=10s                              slow start
  stage=migration,delay=2s                           each step of --database-version
A part with a comma in it is quoted: "message=one, two". A running simulator takes a
fault as a JSON object with the same parts as keys, and numbers, true and texts as
values; durations are texts:
  curl -d '{"stage": "start_push", "status": 503, "delay": "2s"}' localhost:3210/_sim/faults
GET /_sim/faults lists them, DELETE /_sim/faults removes all. GET /_sim/state and
GET /_sim/requests tell what it has and what it was asked.
`

// New returns the convex-sim command line, which takes the flags of
// convex-local-backend.
func New() *cobra.Command {
	flags := &commandFlags{}
	command := &cobra.Command{
		Use:   "convex-sim [DB_SPEC]",
		Short: "Simulate convex-local-backend for tests and demonstrations",
		Long: commandHelp + "\nParts of a fault:\n" + fault.Help() + "Stages:\n" + stages() +
			cli.Ends("0 a requested stop, finished, or what a fault asked for; 1 failed", exit.Config),
		Example: `  convex-sim --local-storage /tmp/sim --port 3210 --site-proxy-port 3211
  convex-sim --fault stage=start_push,status=503,code=Overloaded,times=2`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if flags.version {
				command.Printf("convex-sim %s (%s)\n", readKnobs(config.FromOS(), logging.Discard()).Version, version.String())
				return nil
			}
			if len(args) > 0 {
				flags.databaseSpec = args[0]
			}
			return flags.run(command)
		},
	}
	command.SetOut(os.Stdout)
	flags.register(command)
	reads := cli.Reading(struct {
		knobs
		logging.Settings
	}{})
	return cli.Manual{Reads: reads, Page: "docs/developing.md"}.For(command)
}

// stages lists the stages of faults, some a line.
func stages() string {
	var text strings.Builder
	for some := range slices.Chunk(fault.Stages(), stagesInLine) {
		text.WriteString("  " + strings.Join(some, " ") + "\n")
	}
	return strings.TrimRight(text.String(), "\n")
}

const stagesInLine = 6

func (f *commandFlags) run(command *cobra.Command) error {
	var settings logging.Settings
	if err := config.Load(&settings, config.FromOS()); err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(settings.LogLevel)); err != nil {
		return err
	}
	log := newTracingLog(command.OutOrStdout(), level)
	options, err := f.options(command)
	if err != nil {
		return exit.With(exit.Usage, err)
	}
	options.Log = log
	readKnobs(config.FromOS(), log).apply(&options)
	log.Info("Starting a Convex backend simulator, which is for tests and demonstrations", "runs_functions", options.Runner != "", "simulator", version.String())
	if err := f.database().open(command.Context(), options.InstanceName, log); err != nil {
		return err
	}
	s, err := convexsim.New(options)
	if err != nil {
		return err
	}
	return live(command.Context(), s)
}

// live runs a simulator as this process, which may end by a fault.
func live(ctx context.Context, s *convexsim.Server) error {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt)
	if os.Getpid() == 1 {
		// The kernel drops signals to process 1 that are not handled, as users of
		// the backend find out; the Go runtime would exit instead.
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	}
	death, err := s.Run(ctx, interrupts)
	switch {
	case err != nil || death == nil:
		return err
	case death.Signal != 0:
		return death.Kill()
	case death.Exit == 0:
		return nil
	}
	return exit.With(death.Exit, fmt.Errorf("a fault asked for exit status %d", death.Exit))
}

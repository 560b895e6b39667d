package convexsim

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
)

const commandHelp = `convex-sim takes the place of convex-local-backend in tests and demonstrations.

It speaks the backend's HTTP protocol: environment variables, pushes of functions,
admin keys, the sync WebSocket as far as the convex command line client needs it.
It does NOT run functions, and it connects to no database.`

// Command is the convex-sim command line, which takes the flags of
// convex-local-backend.
func Command() *cobra.Command {
	flags := &flags{}
	command := &cobra.Command{
		Use:   "convex-sim [DB_SPEC]",
		Short: "Simulate convex-local-backend; functions are not run",
		Long:  commandHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			options, err := flags.options(command, args)
			if err != nil {
				return err
			}
			return serve(command, options)
		},
	}
	flags.register(command)
	return command
}

func serve(command *cobra.Command, options Options) error {
	options.Log = logging.New(command.OutOrStdout(), logging.FormatConsole, slog.LevelInfo)
	s, err := New(options)
	if err != nil {
		return err
	}
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt)
	if os.Getpid() == 1 {
		// The kernel drops signals to process 1 that nobody handles, as the
		// backend finds out; the Go runtime would exit instead.
		signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	}
	death, err := s.Run(command.Context(), interrupts)
	switch {
	case err != nil || death == nil:
		return err
	case death.Signal != 0:
		signal.Reset()
		return death.strike()
	case death.Exit == 0:
		return nil
	default:
		return exit.With(death.Exit, fmt.Errorf("a fault asked for exit status %d", death.Exit))
	}
}

type flags struct {
	faults []string
	text   Options
	origin string
	site   string
}

func (f *flags) register(command *cobra.Command) {
	set := command.Flags()
	set.StringVarP(&f.text.Interface, "interface", "i", "0.0.0.0", "IPv4 `ADDRESS` to bind both ports to")
	set.IntVarP(&f.text.Port, "port", "p", 3210, "API port; 0 = any free one")
	set.IntVar(&f.text.SitePort, "site-proxy-port", 3211, "port for HTTP actions; 0 = any free one")
	set.StringVar(&f.text.InstanceName, "instance-name", "", "name of the instance")
	set.StringVar(&f.text.InstanceSecret, "instance-secret", "", "secret of the instance, 64 hexadecimal digits")
	set.StringVar(&f.text.Storage, "local-storage", "convex_local_storage", "folder for everything that is stored")
	set.StringArrayVar(&f.faults, "fault", nil, "fault to inject, such as "+strings.ReplaceAll("stage=start_push,status=503,code=X,times=2", "`", ""))
	command.MarkFlagsRequiredTogether("instance-name", "instance-secret")
}

func (f *flags) options(_ *cobra.Command, _ []string) (Options, error) {
	options := f.text
	for _, text := range f.faults {
		fault, err := ParseFault(text)
		if err != nil {
			return Options{}, exit.With(exit.Usage, err)
		}
		options.Faults = append(options.Faults, fault)
	}
	return options, nil
}

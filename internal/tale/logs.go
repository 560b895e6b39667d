package tale

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/logs"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

type logsOptions struct {
	logs.Options
	since string
	tail  uint
	dev   bool
}

func (a *app) logsCommand() *cobra.Command {
	o := logsOptions{}
	command := &cobra.Command{
		Use:   "logs [SERVICE…]",
		Short: "Print what services have written, merged by time, and follow it",
		Long: `Print what the containers of services have written, in both colours and also of
stopped ones, merged by time. With --follow it goes on with what they write, over
restarts and over the switch of a service to its other colour, each line once, until
Ctrl-C.

Exit codes: 0 done; 1 a log cannot be read; 4 there is no container; 64 usage; 69 the
engine is unreachable; 77 permission; 78 configuration; 130 interrupted, without --follow.`,
		Example: `  tale logs -f platform
  tale logs --since 10m -n 200
  tale logs platform --color green        # the one that failed, say
  tale logs --json convex | jq -r 'select(.stream == "stderr") | .text'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteServices,
	}
	flags := command.Flags()
	flags.BoolVarP(&o.Follow, "follow", "f", false, "go on with what is written, until Ctrl-C")
	flags.StringVar(&o.since, "since", "", "only lines since `WHEN`: 10m, 2h30m, 2026-05-01T10:00:00Z, 2026-05-01")
	flags.UintVarP(&o.tail, "tail", "n", 0, "only the last `N` lines of what was written until now, 0: none of it; default: all")
	flags.StringVarP(&o.Colour, "color", "c", "", "only the containers of a `COLOUR`, blue or green")
	flags.BoolVar(&o.dev, "dev", false, "those of the development stack")
	_ = command.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{stack.Blue, stack.Green}, cobra.ShellCompDirectiveNoFileComp))
	command.RunE = func(command *cobra.Command, args []string) error {
		if o.Services, o.Last = args, -1; command.Flags().Changed("tail") {
			o.Last = int(o.tail)
		}
		return a.logs(command, o)
	}
	return command
}

func (a *app) logs(command *cobra.Command, o logsOptions) error {
	p, err := a.Open()
	if err != nil {
		return err
	}
	if err := o.check(p, time.Now()); err != nil {
		return err
	}
	o.Projects = compose.Projects(p.File.ID)
	if o.dev {
		o.Projects = []string{compose.DevelopmentID(p.File.ID)}
	}
	show := o.Printer(command.OutOrStdout(), logs.Style{JSON: a.JSON, Paint: a.Paints(command.OutOrStdout()), Colour: !o.dev})
	o.Warn = func(err error) { command.PrintErrf("%v; trying again until Ctrl-C\n", err) }
	err = a.OnEngine(command, p, console.AtOnce(command.ErrOrStderr(), "nothing was changed"), func(ctx context.Context, s *session.Session) error {
		err := logs.Read(ctx, s.Engine, o.Options, show)
		if errors.Is(err, logs.NoneError{}) {
			err = exit.Errorf(exit.Down, "%w: `tale status` shows what is; `tale deploy` starts the stack, `tale start` that for development", err)
		}
		return session.Interrupted(ctx, err)
	})
	if o.Follow && exit.Code(err) == exit.Interrupted {
		return nil // it is how it ends
	}
	return err
}

// check reports what is asked for in vain.
func (o *logsOptions) check(p *project.Project, now time.Time) (err error) {
	for _, service := range o.Services {
		i := slices.IndexFunc(p.Services(), func(s stack.Service) bool { return s.Name == service })
		name, colour, _ := strings.Cut(service, "-")
		switch {
		case i < 0 && p.Has(name) && (colour == stack.Blue || colour == stack.Green):
			return exit.Errorf(exit.Usage, "%q is one colour of a service: tale logs %s --color %s", service, name, colour)
		case i < 0:
			return exit.Errorf(exit.Usage, "there is no service %q; those of the project are %s", service, strings.Join(p.ServiceNames(), ", "))
		case o.Colour != "" && !p.Services()[i].Rotates:
			return exit.Errorf(exit.Usage, "%s has no colours: leave out --color", service)
		}
	}
	if o.Colour != "" && o.Colour != stack.Blue && o.Colour != stack.Green {
		return exit.Errorf(exit.Usage, "--color is %q; the colours are %s and %s", o.Colour, stack.Blue, stack.Green)
	}
	o.Since, err = instant(o.since, now)
	return err
}

// instant reads a date, or how long ago it was.
func instant(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(form, text, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, exit.Errorf(exit.Usage, "--since is %q, which is neither how long ago, such as 10m, nor a date, such as %s", text, now.Format(time.RFC3339))
}

package tale

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/data"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/status"
)

// watchEvery is how often status --watch looks.
const watchEvery = 2 * time.Second

func (a *app) statusCommand() *cobra.Command {
	var watch, memory bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Print what serves, how each service is, and what differs from the files",
		Long: `Print what serves according to the proxy, how each service of the project is and why,
what a deploy would change because the files differ, what is left of earlier
releases, who holds the lock, and the last deploys. It changes nothing and waits for
no lock. What cannot be read of the project's files is said, and the rest is printed.

Exit codes: 0 all is well; 3 it serves and something does not work; 4 it does not
serve; 69 the engine is unreachable; 77 permission; 78 configuration.`,
		Example: `  tale status
  tale status --watch
  tale status --json | jq -r .serving.version
  tale status >/dev/null || echo "look at it"`,
	}
	command.Flags().BoolVarP(&watch, "watch", "w", false, "look again every 2 s until Ctrl-C; with --json a document a line")
	command.Flags().BoolVar(&memory, "memory", false, "also print what each service uses")
	command.RunE = func(command *cobra.Command, _ []string) error {
		out := command.OutOrStdout()
		if watch && !a.JSON && !console.IsTerminal(out) {
			return exit.Errorf(exit.Usage, "--watch draws on a terminal, and stdout is none: use --watch --json, or leave it out")
		}
		return a.status(command, out, watch, memory)
	}
	return command
}

func (a *app) status(command *cobra.Command, out io.Writer, watch, memory bool) error {
	if !watch {
		document, err := a.lookOnce(command.Context(), memory)
		if err == nil {
			err = a.printStatus(out, document)
		}
		if err == nil && document.ExitCode() != 0 {
			err = cli.Logged(exit.With(document.ExitCode(), errors.New("the stack is "+string(document.Condition))))
		}
		return err
	}
	ctx, stop := console.Interruptible(command.Context(), func() {}, console.AtOnce(command.ErrOrStderr(), "nothing was changed"))
	defer stop()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		document, err := a.lookOnce(ctx, memory)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case a.JSON:
			err = json.NewEncoder(out).Encode(document)
		default:
			if _, err = io.WriteString(out, "\x1b[H\x1b[2J"); err == nil {
				err = a.printStatus(out, document)
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (a *app) printStatus(out io.Writer, document status.Document) error {
	return a.Print(out, document, document.Text(a.Paints(out)))
}

// lookOnce looks at the stack. Settings that cannot be read are no reason not to.
func (a *app) lookOnce(ctx context.Context, memory bool) (status.Document, error) {
	p, err := a.Open()
	if err != nil {
		return status.Document{}, err
	}
	s, err := a.Connect(ctx, p)
	if err != nil {
		return status.Document{}, err
	}
	defer s.Close()
	settings, unreadable := p.Settings(a.Environ)
	s.Settings = settings
	facts, err := status.Look(ctx, status.Source{
		Engine: s.Engine, Info: s.Info, Project: p, Memory: memory, URL: settings.Get("SITE_URL"),
		Target: func(state rollout.State) (rollout.Target, error) {
			if unreadable != nil {
				return rollout.Target{}, unreadable
			}
			return target(ctx, s, state)
		},
	})
	if err != nil {
		return status.Document{}, err
	}
	if facts.Lock == nil { // or one may be under way
		facts.Restore = data.Unfinished(ctx, s)
	}
	return facts.Document(), nil
}

// target returns what a deploy without options would aim at.
func target(ctx context.Context, s *session.Session, state rollout.State) (rollout.Target, error) {
	aim := func() (rollout.Target, error) {
		_, target, err := s.Aim(s.Release(""), "", false, state, rollout.Scope{})
		return target, err
	}
	target, err := aim()
	if err != nil || !slices.ContainsFunc(target.Services, func(w rollout.Wanted) bool { return w.Pull }) {
		return target, err
	}
	if state.Images, err = s.Engine.Images(ctx); err != nil { // until here those of containers alone
		return target, err
	}
	return aim()
}

// Command talesoak holds the tale command to its numbers in a real Docker engine: twenty
// switches under load, kills and interrupts at random moments, what a deploy may cost, and
// that nothing of others is touched. It makes a project of its own in a folder that goes
// away, from the images that the end-to-end test builds (make e2e), and removes all that
// it made, also when it is killed.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
)

// options are the flags.
type options struct {
	tale     string
	only     []string
	switches int
	rate     int
	sockets  int
	kills    int
	stops    int
	seed     uint64
	mishap   string
	talk     bool
	kill     bool
	live     bool
	away     bool
}

func main() { os.Exit(cli.Main(command())) }

func command() *cobra.Command {
	o := options{}
	root := &cobra.Command{
		Use:   "talesoak",
		Short: "Hold the tale command to its numbers in a real Docker engine",
		RunE:  func(command *cobra.Command, _ []string) error { return soak(command.Context(), o) },
	}
	flags := root.Flags()
	flags.StringVar(&o.tale, "tale", "bin/tale", "the command, a `file`")
	flags.StringSliceVar(&o.only, "only", nil, "only these parts: numbers, failures, falls, mishaps, restart, room, foreign, switches, kills, stops, locks, backup, migrations")
	flags.IntVar(&o.switches, "switches", 20, "deploys and rollbacks under load")
	flags.IntVar(&o.rate, "rate", 200, "requests per second")
	flags.IntVar(&o.sockets, "sockets", 200, "WebSockets that are held open")
	flags.IntVar(&o.kills, "kills", 200, "kills at random moments")
	flags.IntVar(&o.stops, "stops", 40, "interrupts at random moments")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "`number` that decides about what is left to chance")
	flags.StringVar(&o.mishap, "mishap", "", "only the mishaps whose names have this `text`")
	flags.BoolVar(&o.talk, "talk", false, "show what tale says of each mishap")
	flags.BoolVar(&o.kill, "kill-engine", false, "in an engine of its own: kill that in place of tale (with --only restart,backup,migrations), or fill its disk (--only room)")
	flags.BoolVar(&o.live, "live-restore", false, "with --kill-engine: what runs goes on without the engine")
	flags.BoolVar(&o.away, "elsewhere", false, "with --only backup: the databases are on a server of POSTGRES_URL, and backups are encrypted")
	remains := &cobra.Command{
		Use: "clean", Hidden: true, Short: "Remove everything when stdin ends",
		RunE: func(command *cobra.Command, _ []string) error { return cleanAtEnd(command.InOrStdin()) },
	}
	root.AddCommand(remains)
	return root
}

// soak runs the parts, one after the other.
func soak(ctx context.Context, o options) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	free, err := alone()
	if err != nil {
		return err
	}
	defer free()
	clean(ctx) // what an earlier run left
	release, err := guard()
	if err != nil {
		return err
	}
	defer release()
	var own *ownEngine
	if o.kill {
		if own, ctx, err = newEngine(ctx, slices.Equal(o.only, []string{"room"})); err != nil {
			return err
		}
	}
	s, err := newStack(ctx, o, own)
	if err != nil {
		return err
	}
	defer s.remove()
	fmt.Printf("project %s at %s, seed %d\n", s.id, s.site, o.seed)
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"numbers", s.numbers}, {"failures", s.failures}, {"falls", s.falls}, {"mishaps", s.mishaps}, {"restart", s.engineRestarts}, {"room", s.fullDisk}, {"switches", s.underLoad},
		{"kills", s.killing}, {"stops", s.interrupting}, {"locks", s.two},
		{"backup", s.backups},
		{"migrations", s.migrations}, // it removes what others have made
		{"foreign", s.foreign},       // it removes releases of ours
	} {
		if len(o.only) > 0 && !slices.Contains(o.only, part.name) {
			continue
		}
		fmt.Printf("\n=== %s (%s)\n", part.name, time.Now().Format(time.TimeOnly))
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return s.verdict()
}

// figures are what was measured.
type figures struct{ missed []string }

// want prints a figure beside its limit, and remembers one that misses it.
func (f *figures) want(met bool, name string, limit, got any) {
	word := "ok  "
	if !met {
		word = "MISS"
		f.missed = append(f.missed, fmt.Sprintf("%s: %v, want %v", name, got, limit))
	}
	fmt.Printf("  %s  %-62s %-12v (%v)\n", word, name, got, limit)
}

// within is want of a duration.
func (f *figures) within(name string, got, limit time.Duration) {
	f.want(got <= limit, name, "≤ "+limit.String(), got.Round(time.Millisecond))
}

func (f *figures) verdict() error {
	if len(f.missed) == 0 {
		fmt.Println("\nall numbers are met")
		return nil
	}
	return fmt.Errorf("%d numbers are missed:\n  %s", len(f.missed), strings.Join(f.missed, "\n  "))
}

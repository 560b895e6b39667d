// Command kubernetes holds deploy/kubernetes to what its page promises, in a cluster of two
// nodes that run.sh starts on this machine: an installation, releases, and what
// administrators do to pods and nodes, all of it beside visitors. It prints a table.
package main

import (
	"context"
	"errors"
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
	dir, tools, kubernetes, guide, chart, helm, traefik string
	only                                                []string
	names                                               []int
	rate, sockets                                       int
	hold                                                bool
}

func main() { os.Exit(cli.Main(command())) }

func command() *cobra.Command {
	o := options{}
	root := &cobra.Command{
		Use:   "kubernetes",
		Short: "Check deploy/kubernetes in a cluster",
		RunE:  func(command *cobra.Command, _ []string) error { return run(command.Context(), o) },
	}
	flags := root.Flags()
	flags.StringVar(&o.dir, "dir", "", "`folder` of the cluster, from run.sh")
	flags.StringVar(&o.tools, "tools", "", "`folder` that tools.sh has filled")
	flags.StringVar(&o.kubernetes, "kubernetes", "deploy/kubernetes", "the `folder` to be checked")
	flags.StringVar(&o.guide, "guide", "docs/orchestrators.md", "the `page` whose commands are run")
	flags.StringVar(&o.chart, "chart", "deploy/helm/tale", "the `folder` of the chart to be checked")
	flags.StringVar(&o.helm, "helm", "", "`path` of helm")
	flags.StringVar(&o.traefik, "traefik", "", "`path` of Traefik")
	flags.StringSliceVar(&o.only, "only", nil, "only the checks whose names have one of these texts, and the installation")
	flags.IntSliceVar(&o.names, "names", []int{5, 30}, "for how many `seconds` names are kept; all checks are made with each")
	flags.IntVar(&o.rate, "rate", 50, "requests per second")
	flags.IntVar(&o.sockets, "sockets", 30, "WebSockets that are held open")
	flags.BoolVar(&o.hold, "hold", false, "wait after a check that fails, until an interrupt: nsenter shows the cluster")
	root.AddCommand(&cobra.Command{
		Use: "releases ARCHIVE PROGRAMS", Hidden: true, Args: cobra.ExactArgs(2),
		Short: "Add the images of the releases that are switched between to an archive of docker save",
		RunE:  func(_ *cobra.Command, args []string) error { return addReleases(args[0], args[1]) },
	})
	return root
}

// run makes each check under both settings of DNS: with cached names a rollout loses what
// it does not lose without.
func run(ctx context.Context, o options) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := newCluster(ctx, o)
	if err != nil {
		return err
	}
	var failed []string
	for _, ttl := range o.names {
		if err := c.serveNames(ctx, ttl); err != nil {
			return err
		}
		fmt.Printf("\n=== names are kept for %d s\n", ttl)
		for i, check := range checks() {
			if i > 0 && len(o.only) > 0 && !slices.ContainsFunc(o.only, func(text string) bool { return strings.Contains(check.name, text) }) {
				continue
			}
			if !c.report(ctx, check) {
				failed = append(failed, fmt.Sprintf("%s (names kept for %d s)", check.name, ttl))
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d checks failed:\n  %s", len(failed), strings.Join(failed, "\n  "))
	}
	fmt.Println("\nall checks passed")
	return nil
}

// report runs a check and prints its line.
func (c *cluster) report(ctx context.Context, check check) bool {
	began := time.Now()
	c.figures = nil
	err := check.run(c, ctx)
	word := "ok  "
	if err != nil {
		word = "FAIL"
	}
	fmt.Printf("  %s  %-58s %6.1f s  %s\n", word, check.name, time.Since(began).Seconds(), strings.Join(c.figures, ", "))
	if err == nil {
		return true
	}
	fmt.Println("        " + strings.ReplaceAll(err.Error(), "\n", "\n        "))
	if c.hold && !errors.Is(err, context.Canceled) {
		fmt.Println("        held until an interrupt; process", os.Getpid())
		<-ctx.Done()
	}
	return false
}

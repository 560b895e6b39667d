package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

// options are what the command line says.
type options struct {
	bin, classic string
	fast         bool
	rounds       int
	each         time.Duration
	connections  []int
	protocols    []string
	answers      []string
	sockets      int
	slow         int
	pages        bool
	equals       bool
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "benchproxy",
		Short: "Compare stock Caddy, nginx and the proxy",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.fast {
				o.shorten(c)
			}
			return compare(c.Context(), o, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.BoolVar(&o.fast, "fast", false, "a minute or two instead of eight: fewer cases and rounds")
	f.IntVar(&o.rounds, "rounds", 3, "how often each case runs; the median counts")
	f.DurationVar(&o.each, "time", 1700*time.Millisecond, "how long each case runs")
	f.IntSliceVar(&o.connections, "connections", []int{1, 16, 64, 256}, "connections at once")
	f.StringSliceVar(&o.protocols, "protocols", []string{"h1", "h2"}, "protocols of the visitors")
	f.StringSliceVar(&o.answers, "answers", []string{"small", "large", "post"}, "what is asked for")
	f.IntVar(&o.sockets, "sockets", 2000, "idle WebSockets; 0: do not measure them")
	f.IntVar(&o.slow, "slow", 64, "slow HTTP actions at once; 0: do not measure them")
	f.BoolVar(&o.equals, "equals", true, "spread requests over 1, 2 and 4 upstreams")
	f.BoolVar(&o.pages, "pages", true, "load the page of a built application")
	c.PersistentFlags().StringVar(&o.bin, "bin", "bin", "folder of the built binaries")
	c.PersistentFlags().StringVar(&o.classic, "classic", "internal/proxy/testdata/classic.caddyfile", "the classic configuration")
	c.AddCommand(upstreamCommand())
	return c
}

// shorten is for options that were not chosen on the command line.
func (o *options) shorten(c *cobra.Command) {
	if !c.Flags().Changed("rounds") {
		o.rounds = 2
	}
	if !c.Flags().Changed("connections") {
		o.connections = []int{1, 64}
	}
	if !c.Flags().Changed("time") {
		o.each = time.Second
	}
	if !c.Flags().Changed("sockets") {
		o.sockets = 500
	}
}

// find makes the paths absolute, and reports what is not there.
func (o *options) find(programs ...string) error {
	for _, path := range []*string{&o.bin, &o.classic} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return err
		}
		*path = absolute
	}
	for _, program := range programs {
		if _, err := exec.LookPath(o.program(program)); err != nil {
			return fmt.Errorf("cannot find %s: run `make build` for the proxy, `make bench-proxy` for caddy-stock, `apt-get install nginx-light wrk nghttp2-client` for the rest: %w", program, err)
		}
	}
	return nil
}

// program returns where a program of ours or of the distribution is.
func (o *options) program(name string) string {
	if name == "proxy" || name == "caddy-stock" {
		return filepath.Join(o.bin, name)
	}
	return name
}

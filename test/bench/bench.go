package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/push/convexcli"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

// changedModules is how many modules of the large app its second release has anew.
const changedModules = 1246

// bench is one run of all contenders.
type bench struct {
	bin, app string // folders
	work     string // temporary, for everything that is written
	out      io.Writer
}

func command() *cobra.Command {
	var b bench
	c := &cobra.Command{
		Use:   "bench",
		Short: "Compare the classic sequence, the CLI driver and the native driver",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b.out = c.OutOrStdout()
			return b.run(c.Context())
		},
	}
	c.AddCommand(measure())
	c.Flags().StringVar(&b.bin, "bin", "bin", "folder of the built binaries")
	c.Flags().StringVar(&b.app, "app", "examples/guestbook", "folder of the app, with its packages installed")
	return c
}

func (b *bench) run(ctx context.Context) error {
	if err := b.prepare(); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.work) }()
	request, large := filepath.Join(b.work, "app.json"), filepath.Join(b.work, "large")
	cli := convexcli.Options{AppDir: b.app, Environ: b.environ()}
	if err := convexcli.WriteRequest(ctx, slog.New(slog.DiscardHandler), cli, request); err != nil {
		return err
	}
	if err := b.pushIndex(ctx, request); err != nil {
		return err
	}
	summary, err := requestfile.Check(request)
	if err != nil {
		return err
	}
	if err := b.writeLarge(ctx, large); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(b.out, "%s\n%s\n\n", summary, describeMachine())
	var results table
	for _, c := range b.contenders(request, large) {
		if err := b.measure(ctx, c, &results); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	results.write(b.out)
	return nil
}

// writeLarge writes two releases of a large app into a folder, and both again without
// the compressed pieces, as an older push-index left them.
func (b *bench) writeLarge(ctx context.Context, folder string) error {
	for _, pieces := range []bool{true, false} {
		for release, changed := range []int{0, changedModules} {
			path := largeRequest(folder, pieces, release)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			size := pushtest.RealApp()
			size.Changed = changed
			if err := pushtest.WriteLargeRequest(path, size); err != nil {
				return err
			}
			if err := b.pushIndex(ctx, path); err != nil {
				return err
			}
			if !pieces {
				if err := os.Remove(requestfile.PiecesPath(path)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// pushIndex prepares a request as the build of an image does.
func (b *bench) pushIndex(ctx context.Context, path string) error {
	_, err := process{argv: []string{filepath.Join(b.bin, "platform-entrypoint"), "push-index", path}, dir: b.work, env: b.environ()}.run(ctx)
	return err
}

func largeRequest(folder string, pieces bool, release int) string {
	return filepath.Join(folder, fmt.Sprintf("pieces-%t", pieces), fmt.Sprintf("release%d.json", release))
}

func (b *bench) prepare() error {
	for _, folder := range []*string{&b.bin, &b.app} {
		absolute, err := filepath.Abs(*folder)
		if err != nil {
			return err
		}
		*folder = absolute
	}
	for path, make := range map[string]string{
		filepath.Join(b.bin, "platform-entrypoint"):                    "make build",
		filepath.Join(b.bin, "convex-sim"):                             "make build",
		filepath.Join(b.app, "node_modules", "convex", "package.json"): "npm ci in " + b.app,
	} {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("cannot find %s: run %s first", path, make)
		}
	}
	var err error
	b.work, err = os.MkdirTemp(os.Getenv("TMPDIR"), "tale-bench-")
	return err
}

// environ returns what every contender gets: enough to run, and the app's own bun
// before any other.
func (b *bench) environ() []string {
	return []string{
		"PATH=" + filepath.Join(b.app, "node_modules", ".bin") + ":" + os.Getenv("PATH"),
		"HOME=" + b.work, "TMPDIR=" + cmp.Or(os.Getenv("TMPDIR"), os.TempDir()), "CI=1",
	}
}

// measure runs one contender's steps one after the other on a fresh simulator.
func (b *bench) measure(ctx context.Context, c contender, results *table) error {
	sim, err := b.startSimulator(ctx, c.name)
	if err != nil {
		return err
	}
	defer sim.stop()
	for _, step := range c.steps {
		sim.forget(ctx)
		var total sample
		for _, p := range step.processes(sim) {
			s, err := p.run(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", step.name, err)
			}
			total.add(s)
		}
		results.add(c.name, step.name, total, sim.requests(ctx))
	}
	return nil
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
	"github.com/tale-project/tale-runtime/internal/demo/official"
)

const (
	// keyVariable holds the admin key of a backend that is named by its URL.
	keyVariable = "PARITY_ADMIN_KEY"
	simulator   = "sim"
)

// options are the flags.
type options struct {
	a, b, site, bin, push string
	all                   bool

	home, cache string
	out, err    io.Writer
}

func command() *cobra.Command {
	var o options
	made := &cobra.Command{
		Use: "parity", Short: "Compare the answers of two backends", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) (err error) {
			if o.home, err = os.UserHomeDir(); err != nil {
				return err
			}
			o.cache = cmp.Or(os.Getenv("XDG_CACHE_HOME"), filepath.Join(o.home, ".cache"))
			o.out, o.err = command.OutOrStdout(), command.ErrOrStderr()
			return o.run(command.Context())
		},
	}
	made.SetOut(os.Stdout)
	const kinds = ": sim, real, the file of one, or the http:// URL of an empty deployment, whose admin key is in " + keyVariable
	made.Flags().StringVarP(&o.a, "a", "a", simulator, "the first `BACKEND`"+kinds)
	made.Flags().StringVarP(&o.b, "b", "b", official.Real, "the second `BACKEND`")
	made.Flags().StringVar(&o.site, "site", "", "`URL` of the HTTP actions of a backend that is named by its URL")
	made.Flags().StringVar(&o.bin, "bin", "bin", "`FOLDER` of our binaries")
	made.Flags().StringVar(&o.push, "push", "", "`FILE` with the guestbook's push request")
	made.Flags().BoolVar(&o.all, "all", false, "print the status of every request")
	return made
}

func (o options) run(ctx context.Context) (err error) {
	push, err := readPush(o.push)
	if err != nil {
		return err
	}
	a, stopA, err := o.target(ctx, "A", o.a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopA()) }()
	b, stopB, err := o.target(ctx, "B", o.b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopB()) }()
	results, err := run(ctx, o.err, a, b, everything(push))
	if err != nil {
		return err
	}
	if o.all {
		for _, r := range results {
			_, _ = fmt.Fprintf(o.out, "%d  %d  %s\n", r.a.status, r.b.status, r.request.label())
		}
	}
	if different := report(o.out, a, b, results); different > 0 {
		return fmt.Errorf("%d of %d requests are answered differently", different, len(results))
	}
	return nil
}

// target starts or finds a backend.
func (o options) target(ctx context.Context, name, what string) (*target, func() error, error) {
	if strings.HasPrefix(what, "http://") {
		t, err := running(ctx, name, what, o.site, os.Getenv(keyVariable))
		return t, func() error { return nil }, err
	}
	argv, err := o.argv(ctx, what)
	if err != nil {
		return nil, nil, err
	}
	if argv[0], err = filepath.Abs(argv[0]); err != nil {
		return nil, nil, err
	}
	return start(ctx, name, argv)
}

func (o options) argv(ctx context.Context, what string) ([]string, error) {
	if what == simulator {
		packages := filepath.Join(o.cache, "tale-runtime", "convex-sim-runner")
		return []string{filepath.Join(o.bin, "convex-sim"), "--runner", packages}, o.install(ctx, packages)
	}
	shown := int64(0)
	finder := official.New(o.home, o.cache, func(done, total int64) {
		const step = 10_000_000
		if done/step > shown {
			shown = done / step
			_, _ = fmt.Fprintf(o.err, "downloading the official backend: %d of %d bytes\n", done, total)
		}
	})
	found, err := finder.Find(ctx, what)
	return []string{found.Path}, err
}

// install installs what the simulator runs functions with, whenever that has changed.
func (o options) install(ctx context.Context, folder string) error {
	lock := filepath.Join(folder, "package-lock.json")
	before, _ := os.ReadFile(lock)
	if err := runner.WriteManifest(folder); err != nil {
		return err
	}
	if after, _ := os.ReadFile(lock); bytes.Equal(before, after) && runner.CheckInstalled(folder) == nil {
		return nil
	}
	argv := runner.InstallCommand()
	install := exec.CommandContext(ctx, argv[0], argv[1:]...)
	install.Dir, install.Stdout, install.Stderr = folder, o.err, o.err
	if err := install.Run(); err != nil {
		return fmt.Errorf("cannot install what the simulator runs functions with: %w", err)
	}
	return nil
}

// readPush returns a push request with @{key} for its key.
func readPush(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the push request: %w; make push-request writes it", err)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(data, &body); err != nil {
		return "", fmt.Errorf("cannot read the push request %s: %w", path, err)
	}
	body["adminKey"] = json.RawMessage(`"@{key}"`)
	return asJSON(body), nil
}

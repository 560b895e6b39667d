package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
	"github.com/tale-project/tale-runtime/internal/sys/freeport"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// Of the backends that are started here, which nothing else can reach.
const (
	instanceName = "parity"
	secret       = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"
)

// start runs a backend in a folder of its own and returns how it is asked and what
// ends it.
func start(ctx context.Context, name string, argv []string) (t *target, stop func() error, err error) {
	folder, err := os.MkdirTemp("", "parity-")
	if err != nil {
		return nil, nil, err
	}
	api, err := freeport.Find()
	if err != nil {
		return nil, nil, err
	}
	site, err := freeport.Find()
	if err != nil {
		return nil, nil, err
	}
	key, err := adminkey.Mint(instanceName, secret)
	if err != nil {
		return nil, nil, err
	}
	t = &target{name: name, api: fmt.Sprintf("http://127.0.0.1:%d", api), site: fmt.Sprintf("http://127.0.0.1:%d", site), key: key, instance: instanceName}
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		return nil, nil, err
	}
	command := exec.CommandContext(ctx, argv[0], append(argv[1:], filepath.Join(folder, "db.sqlite3"), "--interface", "127.0.0.1",
		"--port", strconv.Itoa(api), "--site-proxy-port", strconv.Itoa(site), "--convex-origin", t.api, "--convex-site", t.site,
		"--local-storage", filepath.Join(folder, "storage"), "--instance-name", instanceName, "--instance-secret", secret)...)
	command.Dir, command.Stdout, command.Stderr = folder, log, log
	command.Env = append(os.Environ(), "DISABLE_BEACON=true")
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = 10 * time.Second
	if err := command.Start(); err != nil {
		return nil, nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	stop = func() error {
		_ = command.Process.Signal(syscall.SIGINT)
		// How it ends is not compared.
		err := <-ended
		if _, exited := errors.AsType[*exec.ExitError](err); exited {
			err = nil
		}
		return errors.Join(err, log.Close(), os.RemoveAll(folder))
	}
	if err := t.await(ctx, ended); err != nil {
		_ = command.Process.Kill()
		text, _ := os.ReadFile(log.Name())
		return nil, nil, fmt.Errorf("%s does not answer: %w\n%s", name, err, text)
	}
	return t, stop, nil
}

// await returns when the backend answers.
func (t *target) await(ctx context.Context, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("it has ended: %w", err)
		default:
		}
		if got := t.ask(ctx, request{path: "/version"}); got.Status == http.StatusOK {
			return nil
		}
		if !pause.For(ctx, 50*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// running returns a backend that somebody else runs, which must be an empty one.
func running(ctx context.Context, name, api, site, key string) (*target, error) {
	t := &target{name: name, api: strings.TrimRight(api, "/"), site: strings.TrimRight(site, "/"), key: key}
	got := t.ask(ctx, request{path: "/instance_name"})
	if got.Status != http.StatusOK {
		return nil, fmt.Errorf("%s is no backend: status %d %s", api, got.Status, got.Failed)
	}
	t.instance = string(got.Body)
	t.variables = map[string]string{"key": key}
	hashes := t.ask(ctx, request{method: http.MethodPost, path: "/api/get_config_hashes", body: `{"version":"1.48.0","adminKey":"@{key}"}`})
	if modules := member(hashes.Body, "moduleHashes"); hashes.Status != http.StatusOK || modules != "[]" {
		return nil, fmt.Errorf("%s is not for this: it must accept the key and have no functions, since they would be replaced (status %d, modules %.80s)", api, hashes.Status, modules)
	}
	return t, nil
}

// begin gives a target its variables.
func (t *target) begin() error {
	strange, err := adminkey.Mint("another", strings.Repeat("ab", 32))
	t.variables = map[string]string{"key": t.key, "strange": strange, "instance": t.instance}
	return err
}

// run asks both all there is to ask.
func run(ctx context.Context, progress io.Writer, a, b *target, list []request) ([]result, error) {
	if err := errors.Join(a.begin(), b.begin()); err != nil {
		return nil, err
	}
	results := make([]result, 0, len(list))
	for i, r := range list {
		first := make(chan normal, 1)
		go func() { first <- a.normal(a.ask(ctx, r)) }()
		second := b.normal(b.ask(ctx, r))
		results = append(results, judge(r, <-first, second))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if (i+1)%50 == 0 {
			_, _ = fmt.Fprintf(progress, "%d of %d requests\n", i+1, len(list))
		}
	}
	return results, nil
}

package runner

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

const (
	// loadPatience is how long the child may take to load modules.
	loadPatience = time.Minute
	// transactionPatience is how long a query or a mutation may take. One that loops
	// stops all others, and the child with it.
	transactionPatience = 30 * time.Second
	// restartPause is the time between the end of a child and the next one.
	restartPause = time.Second
	// keptExecutions is how many executions Executions goes back.
	keptExecutions = 1000
)

// Options say what a runner works with.
type Options struct {
	Packages string // the folder that InstallCommand ran in
	Storage  string // the simulator's; documents and files are in it
	Store    *state.Store
	Origin   func() string // of the addresses of files
	// UploadURL returns an address that takes one upload.
	UploadURL func() (string, error)
	Log       *slog.Logger
}

// Runner is a child that has loaded what is deployed. It is started when something
// is, and again when it ends.
type Runner struct {
	options Options
	code    code

	mu      sync.Mutex // of what follows; held while a child is started or loads
	process *process
	loaded  string // fingerprint of what it has loaded

	changed    signal // documents are, or functions
	executions executions
}

// New returns a runner that has no child yet.
func New(options Options) (*Runner, error) {
	storage, err := filepath.Abs(options.Storage)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare the function runner: %w", err)
	}
	options.Storage = storage
	folder := filepath.Join(storage, "functions")
	for _, stale := range []string{"tree", "program"} {
		if err := os.RemoveAll(filepath.Join(folder, stale)); err != nil {
			return nil, fmt.Errorf("cannot prepare the function runner: %w", err)
		}
	}
	if err := writeProgram(filepath.Join(folder, "program"), options.Packages); err != nil {
		return nil, err
	}
	return &Runner{options: options, code: code{folder: folder}}, nil
}

// Watch returns a channel that is closed when documents have changed, or functions.
func (r *Runner) Watch() <-chan struct{} { return r.changed.wait() }

// Keep stores the source of a pushed module by its hash.
func (r *Runner) Keep(sha, source, sourceMap string) error {
	return r.code.keep(sha, source, sourceMap)
}

// Run keeps a child that has what is deployed, until ctx ends. Nothing runs then.
func (r *Runner) Run(ctx context.Context) {
	defer r.end()
	for ctx.Err() == nil {
		stored, changed := r.options.Store.Watch()
		var died <-chan struct{}
		var p *process
		if len(stored.Definitions) > 0 {
			var err error
			if p, err = r.ready(ctx); err != nil && ctx.Err() == nil {
				r.options.Log.Error("functions cannot run", "error", err)
			}
			if p != nil {
				died = p.done
			}
		}
		select {
		case <-changed:
			continue
		case <-ctx.Done():
			return
		case <-died:
			r.options.Log.Error("functions are not run for a moment", "error", p.err)
			r.changed.raise()
		}
		select {
		case <-time.After(restartPause):
		case <-ctx.Done():
		}
	}
}

// ready returns a child that has loaded what is deployed now.
func (r *Runner) ready(ctx context.Context) (*process, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		select {
		case <-r.process.done:
			r.process = nil
		default:
		}
	}
	if r.process == nil {
		p, err := startProcess(filepath.Join(r.code.folder, "program"), r.options.Storage, r.options.Log, r.heard)
		if err != nil {
			return nil, err
		}
		r.process, r.loaded = p, ""
	}
	stored := r.options.Store.View()
	if wanted := fingerprint(stored); r.loaded != wanted {
		if err := r.load(ctx, stored); err != nil {
			return r.process, err
		}
		r.loaded = wanted
	}
	return r.process, nil
}

// load has the child load a state. It is not cut short by the request that needs it.
func (r *Runner) load(ctx context.Context, stored state.State) error {
	program, err := r.code.lay(stored)
	if err != nil {
		return err
	}
	program.Origin = r.options.Origin()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadPatience)
	defer cancel()
	if err := r.process.ask(ctx, "load", program, nil); err != nil {
		return fmt.Errorf("cannot load the functions: %w", err)
	}
	r.changed.raise()
	return nil
}

// heard takes what the child says by itself.
func (r *Runner) heard(from *process, said event) {
	switch said.Event {
	case "commit":
		r.changed.raise()
	case "execution":
		r.executions.add(said.Execution)
	case "ask":
		go r.answer(from, said.Number)
	}
}

// answer gives a child an address for an upload, the one thing it asks for.
func (r *Runner) answer(p *process, number int) {
	url, err := r.options.UploadURL()
	if err != nil {
		r.options.Log.Error("cannot make an upload URL", "error", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), transactionPatience)
	defer cancel()
	_ = p.ask(ctx, "answer", map[string]any{"number": number, "value": url}, nil)
}

func (r *Runner) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		r.process.kill()
		<-r.process.done
	}
}

// ask has a child that is ready do something within a time. One that takes longer
// is ended, as nothing else can end a function that loops.
func (r *Runner) ask(ctx context.Context, patience time.Duration, operation string, request, result any) error {
	p, err := r.ready(ctx)
	if err != nil {
		return err
	}
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, patience, errTooLong)
		defer cancel()
	}
	err = p.ask(ctx, operation, request, result)
	if context.Cause(ctx) == errTooLong { //nolint:errorlint // it is this very one
		p.kill()
		<-p.done // or the next caller would be given it
	}
	return err
}

var errTooLong = fmt.Errorf("it took longer than %s and was ended, with everything that ran beside it", transactionPatience)

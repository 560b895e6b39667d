package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// runDemo prepares the app, boots the stack and keeps it until ctx ends; with
// options.Once it checks the stack instead. A requested stop that was clean is
// no error. The error of a service that ended by itself has its exit code.
func runDemo(ctx context.Context, out io.Writer, o options, own config.Environ) error {
	screen := newScreen(out)
	folder, err := openFolder(o)
	if err != nil {
		return err
	}
	screen.linef("tale-runtime %s, data in %s", version.String(), folder.describe())
	screen.linef("")
	if err = run(ctx, screen, o, folder, own); err != nil {
		// Its logs say why.
		folder.throwAway = false
	}
	return errors.Join(err, folder.close())
}

func run(ctx context.Context, screen *screen, o options, folder *folder, own config.Environ) error {
	backend, err := findBackend(ctx, screen, o, own)
	if err != nil {
		return o.unlessRequested(err)
	}
	runs, err := prepare(ctx, screen, o, folder, own)
	if err != nil {
		return o.unlessRequested(err)
	}
	if runs {
		backend = backend.running(functionRunner(o.App))
	}
	id, err := loadIdentity(folder)
	if err != nil {
		return err
	}
	environment := newEnvironment(o, backend, folder, id, own)
	if o.Driver != driverCLI {
		if environment.kinds, err = countKinds(ctx, pushRequest(o.App), own); err != nil {
			screen.row("app", "functions", 0, "not counted: "+err.Error())
		}
	}
	stack := newStack(environment, screen)
	err = stack.serve(ctx)
	return errors.Join(o.unlessRequested(err), stack.end(ctx))
}

// serve boots the stack and returns when there is a reason to stop it.
func (s *stack) serve(ctx context.Context) error {
	began := time.Now()
	//nolint:contextcheck // a service outlives ctx: its end is where the ordered stop begins
	if err := s.start(); err != nil {
		return err
	}
	platform, err := s.await(ctx)
	if err != nil {
		return err
	}
	s.booted = true
	s.summary(platform, time.Since(began))
	if s.environment.options.Once {
		return s.verify(ctx)
	}
	s.invitation()
	return s.wait(ctx)
}

// wait returns when a stop is requested, or a service has ended.
func (s *stack) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.died:
		return s.first.death()
	}
}

// unlessRequested takes away the error of a requested stop, unless there are
// checks that it came before.
func (o options) unlessRequested(err error) error {
	var stop *supervise.StopRequested
	switch {
	case !errors.As(err, &stop):
		return err
	case o.Once:
		return fmt.Errorf("cannot finish the checks: %w", err)
	default:
		return nil
	}
}

// end stops the stack and says how long that took.
func (s *stack) end(ctx context.Context) error {
	began := time.Now()
	if err := s.stop(ctx); err != nil {
		return err
	}
	s.screen.linef("")
	s.screen.linef("  Stopped in %s.", seconds(time.Since(began)))
	return nil
}

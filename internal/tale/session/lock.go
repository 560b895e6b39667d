package session

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// errLockLost is why a command ends whose lock has ended by itself.
var errLockLost = exit.With(exit.Unavailable, errors.New("the lock on the engine is lost, so that others may change the project now: the engine has ended or was restarted, or the connection to it was cut; once `docker info` answers, run the same command again"))

// labelHolder says on the container of an engine's lock who holds it.
const labelHolder = "dev.tale.holder"

// Lock takes the project's lock among the processes of this host, which costs nothing
// and is enough to look. A command that has it goes on when what reads its output has ended.
func (s *Session) Lock(ctx context.Context, command *cobra.Command, wait time.Duration, say func(string)) (release func(), err error) {
	lock, err := project.Acquire(ctx, s.Info.ID, s.Project.File.ID, project.Self(CommandLine(command)), wait, func(holder project.Holder) {
		say("waiting for " + holder.String())
	})
	if err != nil {
		return nil, err
	}
	console.OutliveReader()
	return func() { _ = lock.Release() }, nil // the kernel frees what this cannot
}

// LockEngine takes the project's lock among all hosts that use the engine, before
// anything is changed. A command that is not a Linux program has no helper to hold it
// with, so that of another system relies on the lock of its host. Lost is called, with the
// reason, when the lock ends by itself, as with a connection that was cut.
func (s *Session) LockEngine(ctx context.Context, command *cobra.Command, wait time.Duration, say func(string), lost context.CancelCauseFunc) (release func(), err error) {
	if runtime.GOOS != "linux" {
		if !s.Info.Local {
			say("note: other hosts are not kept from changing the same project: only tale for Linux can lock a remote engine")
		}
		return func() {}, nil
	}
	self := map[string]string{labelHolder: project.Self(CommandLine(command)).String()}
	deadline := time.Now().Add(wait)
	var said time.Time
	for {
		hold, err := s.Engine.HoldLock(ctx, s.Project.File.ID, self)
		var held *engine.HeldError
		switch {
		case err == nil:
			return guarded(hold, lost), nil
		case !errors.As(err, &held):
			return nil, err
		case time.Now().After(deadline):
			return nil, exit.With(exit.Temporary, fmt.Errorf("the project is locked by %s; wait for it with --wait", held.Labels[labelHolder]))
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			say("waiting for " + held.Labels[labelHolder])
		}
		if !pause.For(ctx, time.Second) {
			return nil, context.Cause(ctx)
		}
	}
}

// guarded returns what releases a lock, and calls lost when it ends before.
func guarded(hold *engine.Hold, lost context.CancelCauseFunc) (release func()) {
	var released atomic.Bool
	go func() {
		<-hold.Done()
		if !released.Load() {
			lost(errLockLost)
		}
	}()
	return func() {
		released.Store(true)
		hold.Release()
	}
}

// LockAll takes the lock of this host and that of the engine.
func (s *Session) LockAll(ctx context.Context, command *cobra.Command, wait time.Duration, say func(string), lost context.CancelCauseFunc) (release func(), err error) {
	free, err := s.Lock(ctx, command, wait, say)
	if err != nil {
		return nil, err
	}
	freeEngine, err := s.LockEngine(ctx, command, wait, say, lost)
	if err != nil {
		free()
		return nil, err
	}
	return func() { freeEngine(); free() }, nil
}

// Locked opens the project and its engine, and takes both locks.
func (a *App) Locked(ctx context.Context, command *cobra.Command, wait time.Duration, say func(string), lost context.CancelCauseFunc) (*Session, func(), error) {
	s, err := a.Session(ctx)
	if err != nil {
		return nil, nil, err
	}
	free, err := s.LockAll(ctx, command, wait, say, lost)
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, func() { free(); s.Close() }, nil
}

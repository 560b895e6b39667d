package volume

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const (
	// usersEvery is how often the engine is asked for new users of the volumes.
	usersEvery = 2 * time.Second
	// orphaned is how long the helper of a tale that has ended may take to notice, which
	// is longer than a silent connection is waited for.
	orphaned = 30 * time.Second
	askAgain = 200 * time.Millisecond
)

// Users returns the containers that run and can write into one of the volumes, also by a
// bind mount of its folder, and not the helpers of this package.
func Users(ctx context.Context, e *engine.Engine, volumes ...string) ([]engine.Container, error) {
	var folders []string
	for _, name := range volumes {
		v, found, err := e.Volume(ctx, name)
		if err != nil {
			return nil, err
		}
		if found && v.Mountpoint != "" {
			folders = append(folders, v.Mountpoint)
		}
	}
	all, err := e.Everything(ctx)
	return slices.DeleteFunc(all, func(c engine.Container) bool {
		return !c.State.Running || c.Labels[LabelCopy] != "" || !slices.ContainsFunc(c.Mounts, func(m engine.Mount) bool {
			return !m.ReadOnly && (slices.Contains(volumes, m.Volume) || slices.ContainsFunc(folders, func(folder string) bool { return overlap(m.Volume, folder) }))
		})
	}), err
}

// overlap reports whether one folder is the other, or in it.
func overlap(a, b string) bool {
	if !filepath.IsAbs(a) {
		return false
	}
	a, b = strings.TrimSuffix(a, "/")+"/", strings.TrimSuffix(b, "/")+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// refuseUsers returns an error that names the containers that write into the volumes.
func (c Copy) refuseUsers(ctx context.Context, e *engine.Engine) error {
	users, err := Users(ctx, e, c.From, c.To)
	if err != nil || len(users) == 0 {
		return err
	}
	names := make([]string, 0, len(users))
	for _, u := range users {
		names = append(names, u.Name)
	}
	return exit.Errorf(exit.Temporary, "cannot copy the volume %s into %s while containers write into them: `docker stop %s` first", c.From, c.To, strings.Join(names, " "))
}

// awaitOthers refuses users, removes helpers that other runs have left, and waits for one
// whose tale has just ended.
func (c Copy) awaitOthers(ctx context.Context, e *engine.Engine, say func(Progress)) error {
	if err := c.refuseUsers(ctx, e); err != nil {
		return err
	}
	for until := time.Now().Add(orphaned); ; {
		running, err := c.clearHelpers(ctx, e)
		if err != nil || running == "" {
			return err
		}
		if time.Now().After(until) {
			return exit.Errorf(exit.Temporary, "cannot copy into the volume %s: another tale does, in the container %s; wait for it, or end it with `docker rm -f %s`", c.To, running, running)
		}
		say(Progress{Phase: Waiting})
		if !pause.For(ctx, askAgain) {
			return fmt.Errorf("cannot copy into the volume %s: %w", c.To, context.Cause(ctx))
		}
	}
}

// clearHelpers removes the helpers of this target that have ended and names one that runs.
func (c Copy) clearHelpers(ctx context.Context, e *engine.Engine) (running string, err error) {
	all, err := e.Everything(ctx)
	for _, other := range all {
		switch {
		case other.Labels[LabelCopy] != c.To:
		case other.State.Running:
			running = other.Name
		default:
			if err := e.Remove(ctx, other.ID); err != nil && !engine.IsConflict(err) {
				return "", err
			}
		}
	}
	return running, err
}

// guard ends a copy into which a container begins to write.
func (c Copy) guard(ctx context.Context, e *engine.Engine, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(usersEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := c.refuseUsers(ctx, e); err != nil && ctx.Err() == nil {
			cancel(err)
		}
	}
}

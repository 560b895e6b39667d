package tidy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Run does what the plan says, and tells each step. What cannot be done is told at the
// end, and keeps nothing else from being done, but that nothing is removed unless all has
// stopped.
func (p Plan) Run(ctx context.Context, docker *engine.Engine, say func(string)) error {
	if err := p.stopAll(ctx, docker, say); err != nil {
		return err
	}
	var failed []error
	remove := func(what string, remove func(context.Context, string) error, id string) {
		if ctx.Err() != nil {
			return
		}
		if err := remove(ctx, id); err != nil {
			failed = append(failed, err)
			return
		}
		say(what + " is removed")
	}
	for _, c := range p.Remove {
		remove(c.Name, docker.Remove, c.ID)
	}
	if p.Network != "" {
		remove("the network "+p.Network, docker.RemoveNetwork, p.Network)
	}
	for _, v := range p.Volumes {
		remove("the volume "+v, docker.RemoveVolume, v)
	}
	for _, i := range p.Images {
		name := i.ID
		if len(i.Names) > 0 {
			name = i.Names[0]
		}
		remove("the image "+name, docker.RemoveImage, i.ID)
	}
	for _, s := range p.Snapshots {
		remove("the snapshot "+s.Path, func(_ context.Context, path string) error { return os.Remove(path) }, s.Path)
	}
	return errors.Join(append(failed, ctx.Err())...)
}

// stopAll stops one wave after the other, each at once.
func (p Plan) stopAll(ctx context.Context, docker *engine.Engine, say func(string)) error {
	for rest := p.Stop; len(rest) > 0; {
		n := 1
		for n < len(rest) && wave(rest[n].Service) == wave(rest[0].Service) {
			n++
		}
		var group sync.WaitGroup
		failed := make([]error, n)
		for i, c := range rest[:n] {
			group.Go(func() {
				began := time.Now()
				if failed[i] = docker.Stop(ctx, c.ID, 0); failed[i] == nil {
					say(fmt.Sprintf("%s has stopped in %s", c.Name, time.Since(began).Round(100*time.Millisecond)))
				}
			})
		}
		group.Wait()
		if err := errors.Join(failed...); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

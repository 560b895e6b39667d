package logs

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// again is the pause before what broke off is tried again.
const again = 500 * time.Millisecond

// follow prints what was written and what comes, until the context ends.
func (r *reader) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	begun := make(chan struct{})
	group.Go(func() error { return r.listen(ctx, group, begun) })
	group.Go(func() error {
		defer cancel() // nobody reads any more
		<-begun
		for {
			select {
			case line := <-r.lines:
				if err := r.print(line); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
	return group.Wait()
}

// listen follows each container that is there or starts. It listens before it looks, so
// that none is missed. The first time, what was written until now is printed, and begun
// is closed.
func (r *reader) listen(ctx context.Context, group *errgroup.Group, begun chan<- struct{}) error {
	var since time.Time
	for first := true; ctx.Err() == nil; first = false {
		events, failed := r.engine.Events(ctx, since, r.Projects...)
		sources, err := r.list(ctx)
		if first {
			switch {
			case err == nil && len(sources) == 0:
				err = NoneError{}
			case err == nil:
				err = r.past(ctx, sources)
			}
			close(begun)
		}
		r.warn(ctx, err)
		for _, s := range sources {
			r.start(ctx, group, s)
		}
		for event := range events {
			since = event.Time
			if event.Action == "start" {
				r.started(ctx, group, event.Container)
			}
		}
		r.warn(ctx, <-failed)
		pause.For(ctx, again)
	}
	return nil
}

// warn tells what is wrong, once.
func (r *reader) warn(ctx context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || ctx.Err() != nil || err.Error() == r.said {
		return
	}
	r.said = err.Error()
	r.Warn(err)
}

// started takes up a container of which the engine says that it runs now.
func (r *reader) started(ctx context.Context, group *errgroup.Group, id string) {
	if s, known := r.sources[id]; known {
		s.awake()
		return
	}
	c, err := r.engine.Inspect(ctx, id)
	if err != nil {
		return // it is gone, or the events break off as well
	}
	if r.wants(c) {
		r.start(ctx, group, &source{Container: c, wake: make(chan struct{}, 1)})
	}
}

func (r *reader) start(ctx context.Context, group *errgroup.Group, s *source) {
	if known, there := r.sources[s.ID]; there {
		known.awake()
		return
	}
	r.sources[s.ID] = s
	group.Go(func() error {
		r.attend(ctx, s)
		return nil
	})
}

func (s *source) awake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// attend follows one container as long as it is there.
func (r *reader) attend(ctx context.Context, s *source) {
	for {
		c, err := r.engine.Inspect(ctx, s.ID)
		switch {
		case ctx.Err() != nil, engine.IsNotFound(err):
			return
		case err == nil && c.State.Running:
			r.pass(ctx, s, true)
		}
		// What came with its end may not have reached who followed.
		whole := r.pass(ctx, s, false)
		if c, err = r.engine.Inspect(ctx, s.ID); err == nil && !c.State.Running && whole {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
				return
			}
		}
		pause.For(ctx, again)
	}
}

// pass sends what is new of a log, and reports whether that was all.
func (r *reader) pass(ctx context.Context, s *source, follow bool) bool {
	for line, err := range r.log(ctx, s, follow, 0) {
		if err != nil {
			r.warn(ctx, err)
			return false
		}
		select {
		case r.lines <- line:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

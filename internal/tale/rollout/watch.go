package rollout

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// death is one end of a container's process.
type death struct {
	code int
	oom  bool
	at   time.Time
}

// watch remembers how containers of a project die. A container that is restarted keeps
// nothing of its earlier ends, so they have to be heard of as they happen.
type watch struct {
	mu     sync.Mutex
	deaths map[string][]death // by container
	oom    map[string]bool    // said of a container before it died
	woken  chan struct{}      // something was heard
}

func newWatch() *watch {
	return &watch{deaths: map[string][]death{}, oom: map[string]bool{}, woken: make(chan struct{}, 1)}
}

// listen hears the engine until the context ends. A stream that breaks is taken up where
// it broke; what is lost all the same shows in the containers' restart counts.
func (w *watch) listen(ctx context.Context, docker *engine.Engine, projects []string) error {
	since := time.Now()
	for ctx.Err() == nil {
		events, failed := docker.Events(ctx, since, projects...)
		for event := range events {
			since = event.Time
			w.hear(event)
		}
		// Why it broke off is of no use: the next call tells, or the context has ended.
		if err := <-failed; err != nil && !pause.For(ctx, time.Second) {
			return nil
		}
	}
	return nil
}

func (w *watch) hear(event engine.Event) {
	w.mu.Lock()
	switch {
	case event.Action == "oom":
		w.oom[event.Container] = true
	case event.Action == "die":
		known := w.deaths[event.Container]
		if len(known) == 0 || known[len(known)-1].at.Before(event.Time) {
			w.deaths[event.Container] = append(known, death{event.ExitCode, w.oom[event.Container], event.Time})
		}
		delete(w.oom, event.Container)
	case !strings.HasPrefix(event.Action, "health_status"):
		w.mu.Unlock()
		return
	}
	w.mu.Unlock()
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// of returns how a container has died after since and after it had been restarted before
// times, and how often: more often than is known in particular where events were lost.
func (w *watch) of(c engine.Container, before int, since time.Time) (known []death, times int) {
	w.mu.Lock()
	for _, d := range w.deaths[c.ID] {
		if d.at.After(since) {
			known = append(known, d)
		}
	}
	w.mu.Unlock()
	times = c.Restarts - before
	ended := c.State.Ended()
	if ended {
		times++
	}
	if len(known) < times && (ended || c.State.Restarting) {
		known = append(known, death{c.State.ExitCode, c.State.OOMKilled, c.State.Finished})
	}
	return known, max(times, len(known))
}

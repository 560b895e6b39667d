package volume

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tellEvery is how often a helper says where it is.
	tellEvery = time.Second
	// rateOver is how many of the last reports the rate is taken over.
	rateOver = 10
	// fileWork is how many bytes could be copied in the time that a file takes besides
	// its bytes: it makes the time that is left right for small files, too.
	fileWork = 32 << 10
)

// gauge measures how far a copy is.
type gauge struct {
	half  atomic.Int64 // bytes that were written, and those that were read back
	files atomic.Int64

	mu      sync.Mutex
	phase   string
	total   int64
	all     int64
	samples []sample
}

type sample struct {
	at          time.Time
	bytes, work int64
}

// enter begins a phase.
func (g *gauge) enter(phase string, total, files int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase, g.total, g.all, g.samples = phase, total, files, nil
	g.half.Store(0)
	g.files.Store(0)
}

// now takes a sample.
func (g *gauge) now() Progress {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := Progress{Phase: g.phase, Done: min(g.half.Load()/2, g.total), Total: g.total, Files: g.files.Load(), AllFiles: g.all}
	s := sample{time.Now(), p.Done, p.Done + p.Files*fileWork}
	g.samples = append(g.samples, s)
	if len(g.samples) > rateOver {
		g.samples = g.samples[1:]
	}
	first := g.samples[0]
	if passed := s.at.Sub(first.at); passed > 0 {
		p.Rate = int64(float64(s.bytes-first.bytes) / passed.Seconds())
		if done := s.work - first.work; done > 0 && g.phase != Counting {
			left := float64(g.total+g.all*fileWork-s.work) / float64(done) * passed.Seconds()
			p.Left = time.Duration(max(left, 0) * float64(time.Second)).Round(time.Second)
		}
	}
	return p
}

// tell says where the copy is until the context ends.
func (g *gauge) tell(ctx context.Context, say func(Progress)) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			say(g.now())
		case <-ctx.Done():
			return
		}
	}
}

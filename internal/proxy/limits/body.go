package limits

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

var past = time.Unix(1, 0)

// body measures how long a request body is waited for. The time in which the
// upstream does not take it is not the visitor's.
type body struct {
	io.ReadCloser
	app       *App
	network   netip.Prefix
	interrupt func() // ends the read that is under way, and those that follow
	now       func() time.Time

	mu      sync.Mutex
	bytes   int64
	waited  time.Duration
	since   time.Time // of the read under way; zero: there is none
	timer   *time.Timer
	slow    bool // counted as slow
	over    bool
	refused reason // why it was ended
}

// Read returns what there is of the body.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.since = b.now()
	if b.timer == nil && !b.over {
		b.timer = time.AfterFunc(b.patience(), b.look)
	}
	b.mu.Unlock()
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	b.waited += b.now().Sub(b.since)
	b.since = time.Time{}
	b.bytes += int64(n)
	b.mu.Unlock()
	if err != nil {
		b.finish()
	}
	return n, err
}

func (b *body) patience() time.Duration { return time.Duration(b.app.SlowAfter) }

// look is called now and then while the body comes.
func (b *body) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return
	}
	waited := b.waited
	if !b.since.IsZero() {
		waited += b.now().Sub(b.since)
	}
	switch {
	case b.belowRate(waited):
		b.refused = tooSlow
	case !b.slow && waited >= b.patience():
		if b.slow, _ = b.app.uploads.take(b.network); !b.slow {
			b.refused = tooManyUploads
		}
	}
	if b.refused == "" {
		b.timer.Reset(b.patience())
		return
	}
	b.app.refuse(b.network, b.refused)
	b.interrupt()
	b.end()
}

func (b *body) belowRate(waited time.Duration) bool {
	rate, grace := b.app.BodyRate, time.Duration(b.app.Grace)
	return rate > 0 && waited > grace && float64(b.bytes) < float64(rate)*(waited-grace).Seconds()
}

// finish is called when the body has come, or is wanted no more.
func (b *body) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
}

func (b *body) end() {
	if b.over {
		return
	}
	b.over = true
	if b.timer != nil {
		b.timer.Stop()
	}
	if b.slow {
		b.app.uploads.give(b.network)
	}
}

// status returns what the visitor is told of a body that was ended, or 0.
func (b *body) status() (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.refused {
	case tooSlow:
		return http.StatusRequestTimeout, errTooSlow
	case tooManyUploads:
		return http.StatusTooManyRequests, errTooManyUploads
	}
	return 0, nil
}

var (
	errTooSlow        = errors.New("the request body comes too slowly")
	errTooManyUploads = errors.New("too many slow request bodies from one network")
)

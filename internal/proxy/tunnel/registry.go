package tunnel

import (
	"sync"
	"time"
)

// registry knows the open tunnels, so that none is forgotten when the proxy ends.
type registry struct {
	mu       sync.Mutex
	open     map[*tunnel]struct{}
	reserved int           // tunnels about to be added
	deadline time.Time     // of the open ones, once the registry is closed
	streams  time.Time     // of those on streams, which are closed earlier
	empty    chan struct{} // closed when the registry is, and nothing is left
}

func newRegistry() *registry {
	return &registry{open: make(map[*tunnel]struct{}), empty: make(chan struct{})}
}

// reserve announces a tunnel, before its client is told that there is one. It
// reports false if the registry is closed. The HTTP server does not wait for a
// handler whose connection was taken over; the registry must.
func (r *registry) reserve() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.deadline.IsZero() {
		return false
	}
	r.reserved++
	return true
}

// release gives a reservation back.
func (r *registry) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved--
	r.checkEmpty()
}

// add takes a tunnel in that was announced. If the registry was closed meanwhile
// the tunnel is told to end.
func (r *registry) add(t *tunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved--
	r.open[t] = struct{}{}
	switch {
	case !r.deadline.IsZero():
		t.leave(r.deadline)
	case t.onStream && !r.streams.IsZero():
		t.leave(r.streams)
	}
}

func (r *registry) remove(t *tunnel) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, t)
	r.checkEmpty()
}

func (r *registry) checkEmpty() {
	if !r.deadline.IsZero() && r.reserved == 0 && len(r.open) == 0 {
		close(r.empty)
	}
}

// close makes every tunnel end within patience and returns when they have. It
// says how many there were, and how many had to be cut. It is called once.
func (r *registry) close(patience time.Duration) (all, cut int) {
	tunnels := r.seal(time.Now().Add(patience))
	for _, t := range tunnels {
		t.leave(r.deadline)
	}
	timer := time.NewTimer(patience + patience/4)
	defer timer.Stop()
	select {
	case <-r.empty:
		return len(tunnels), 0
	case <-timer.C:
	}
	left := r.list()
	for _, t := range left {
		t.kill()
	}
	<-r.empty
	return len(tunnels), len(left)
}

// closeStreams makes the tunnels on streams end within patience. It returns at
// once, and says how many there are.
func (r *registry) closeStreams(patience time.Duration) (streams int) {
	r.mu.Lock()
	r.streams = time.Now().Add(patience)
	r.mu.Unlock()
	for _, t := range r.list() {
		if t.onStream {
			t.leave(r.streams)
			streams++
		}
	}
	return streams
}

// seal lets nothing more in and returns what is there.
func (r *registry) seal(deadline time.Time) []*tunnel {
	r.mu.Lock()
	r.deadline = deadline
	r.checkEmpty()
	r.mu.Unlock()
	return r.list()
}

func (r *registry) list() []*tunnel {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*tunnel, 0, len(r.open))
	for t := range r.open {
		all = append(all, t)
	}
	return all
}

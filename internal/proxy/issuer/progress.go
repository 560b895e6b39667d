package issuer

import (
	"sync"
	"time"
)

// Progress is how far an Issuer is with a certificate.
type Progress struct {
	Reason string    // why the last attempt failed; "" before the first has ended
	Next   time.Time // when the next one is made, zero while one is being made
}

// underway is what an Issuer is working on.
type underway struct {
	mu    sync.Mutex
	names map[string]Progress
}

func (u *underway) set(names []string, p Progress) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range names {
		u.names[name] = p
	}
}

func (u *underway) end(names []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range names {
		delete(u.names, name)
	}
}

// Progress reports whether a certificate for the name is being got, and how far
// that is.
func (i *Issuer) Progress(name string) (Progress, bool) {
	i.underway.mu.Lock()
	defer i.underway.mu.Unlock()
	p, ok := i.underway.names[name]
	return p, ok
}

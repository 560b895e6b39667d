package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// Presence notices that what a running backend has on the volume was deleted: it goes on
// with files that have no name any more, and nothing of what it writes then is kept.
type Presence struct {
	paths []string
	seen  map[string]bool
	lost  error // it stays so: the backend makes folders again, not what was in them
}

// Presence returns a watch over the backend's folder, and its database if that is a file.
func (s Settings) Presence(storage string) *Presence {
	p := &Presence{paths: []string{s.BackendDir()}, seen: map[string]bool{}}
	if storage == stack.StorageSQLite {
		p.paths = append(p.paths, s.SQLitePath())
	}
	return p
}

// Check returns an error once something that was there is gone.
func (p *Presence) Check() error {
	for _, path := range p.paths {
		_, err := os.Stat(path)
		if err == nil {
			p.seen[path] = true
		}
		if p.lost == nil && p.seen[path] && errors.Is(err, fs.ErrNotExist) {
			p.lost = fmt.Errorf("%s was deleted while the backend runs", path)
		}
	}
	return p.lost
}

package health

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Markers are the two empty files of a service that health checks and the web
// server look at: NAME-ready and NAME-shutting-down, in TALE_RUN_DIR.
type Markers struct {
	ready        string
	shuttingDown string
}

// NewMarkers returns the markers with these paths.
func NewMarkers(ready, shuttingDown string) Markers {
	return Markers{ready: ready, shuttingDown: shuttingDown}
}

// Clear removes both, as a start does: what an earlier run left behind says
// nothing about this one.
func (m Markers) Clear() error {
	return errors.Join(remove(m.ready), remove(m.shuttingDown))
}

// SetReady creates or removes the ready marker.
func (m Markers) SetReady(ready bool) error {
	if !ready {
		return remove(m.ready)
	}
	return atomicfile.WriteVolatile(m.ready, nil, 0o644)
}

// Ready reports whether the ready marker is there.
func (m Markers) Ready() bool {
	_, err := os.Stat(m.ready)
	return err == nil
}

// ShuttingDown creates the shutting-down marker and removes the ready one.
func (m Markers) ShuttingDown() error {
	return errors.Join(atomicfile.WriteVolatile(m.shuttingDown, nil, 0o644), remove(m.ready))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove marker %s: %w", path, err)
	}
	return nil
}

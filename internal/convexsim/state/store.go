package convexsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/tale-project/tale-runtime/internal/atomicfile"
)

const stateFile = "convex-sim.json"

// store holds the state and keeps a copy in the storage folder, replaced at
// every change. It has one transaction at a time.
type store struct {
	mu      sync.Mutex
	path    string
	state   State
	changed chan struct{} // closed and replaced at every change
}

func openStore(folder string) (*store, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the storage folder: %w", err)
	}
	s := &store{path: filepath.Join(folder, stateFile), changed: make(chan struct{})}
	data, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("cannot read the stored state: %w", err)
	default:
		if err := json.Unmarshal(data, &s.state); err != nil {
			return nil, fmt.Errorf("cannot read the stored state %s: %w", s.path, err)
		}
	}
	if err := s.write(s.state); err != nil {
		return nil, err
	}
	return s, nil
}

// view returns a copy of the state.
func (s *store) view() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.clone()
}

// watch returns a copy of the state and a channel that is closed when it
// changes.
func (s *store) watch() (State, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.clone(), s.changed
}

// update runs a transaction: change works on a copy, which becomes the state
// unless it returns an error.
func (s *store) update(change func(*State) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state.clone()
	if err := change(&next); err != nil {
		return err
	}
	if err := s.write(next); err != nil {
		return err
	}
	s.state = next
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// write replaces the file, which has environment variables in clear text and is
// therefore the owner's only.
func (s *store) write(state State) error {
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("cannot encode the state: %w", err)
	}
	return atomicfile.WriteVolatile(s.path, data, 0o600)
}

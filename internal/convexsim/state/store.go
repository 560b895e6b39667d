package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

const fileName = "convex-sim.json"

// Store holds the state and keeps a copy in the storage folder, replaced at
// every change. It has one transaction at a time.
type Store struct {
	mu      sync.Mutex
	path    string
	state   State
	changed chan struct{} // closed and replaced at every change
}

// Open returns the store of a storage folder, which it makes if need be.
func Open(folder string) (*Store, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the storage folder: %w", err)
	}
	s := &Store{path: filepath.Join(folder, fileName), changed: make(chan struct{})}
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
	s.state.packageFolder = filepath.Join(folder, "modules")
	if err := s.write(s.state); err != nil {
		return nil, err
	}
	return s, nil
}

// View returns a copy of the state.
func (s *Store) View() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Clone()
}

// Watch returns a copy of the state and a channel that is closed when it
// changes.
func (s *Store) Watch() (State, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Clone(), s.changed
}

// Update runs a transaction: change works on a copy, which becomes the state
// unless it returns an error.
func (s *Store) Update(change func(*State) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state.Clone()
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
func (s *Store) write(state State) error {
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("cannot encode the state: %w", err)
	}
	return atomicfile.WriteVolatile(s.path, data, 0o600)
}

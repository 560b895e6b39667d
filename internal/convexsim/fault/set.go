package fault

import (
	"slices"
	"strconv"
	"sync"
)

// Set holds the faults in force. The zero Set is empty and ready.
type Set struct {
	mu     sync.Mutex
	nextID int
	faults []*Active
}

// Active is a fault in force.
type Active struct {
	Fault
	seen    int // matching requests so far
	applied int
	Removed chan struct{} // closed when it is taken out of force
}

// Add puts a fault in force and returns its id.
func (s *Set) Add(fault Fault) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	fault.ID = strconv.Itoa(s.nextID)
	s.faults = append(s.faults, &Active{Fault: fault, Removed: make(chan struct{})})
	return fault.ID
}

// Remove takes a fault out of force, all of them for an empty id, and lets hung
// requests go. It reports whether there was one.
func (s *Set) Remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *Active) bool {
		if id != "" && f.ID != id {
			return false
		}
		close(f.Removed)
		return true
	})
	return len(s.faults) < before
}

// List returns the faults in force.
func (s *Set) List() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		list = append(list, f.Fault)
	}
	return list
}

// Take returns the faults that apply to this occurrence of a stage. A fault that
// has done its number of times stays listed, but no longer applies.
func (s *Set) Take(stage string) []*Active {
	s.mu.Lock()
	defer s.mu.Unlock()
	var taken []*Active
	for _, f := range s.faults {
		if f.Stage != stage && (f.Stage != StageAny || slices.Contains([]string{StageStart, StageRunning, StageMigration}, stage)) {
			continue
		}
		f.seen++
		if f.seen <= f.After || f.Times > 0 && f.applied >= f.Times {
			continue
		}
		f.applied++
		taken = append(taken, f)
	}
	return taken
}

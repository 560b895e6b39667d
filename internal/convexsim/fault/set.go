package convexsim

import (
	"slices"
	"strconv"
	"sync"
)

// faultSet holds the faults in force.
type faultSet struct {
	mu     sync.Mutex
	nextID int
	faults []*activeFault
}

type activeFault struct {
	Fault
	seen    int // matching requests so far
	applied int
	removed chan struct{}
}

// add puts a fault in force and returns its id.
func (s *faultSet) add(fault Fault) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	fault.ID = strconv.Itoa(s.nextID)
	s.faults = append(s.faults, &activeFault{Fault: fault, removed: make(chan struct{})})
	return fault.ID
}

// remove takes a fault out of force, all of them for an empty id, and lets hung
// requests go. It reports whether there was one.
func (s *faultSet) remove(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.faults)
	s.faults = slices.DeleteFunc(s.faults, func(f *activeFault) bool {
		if id != "" && f.ID != id {
			return false
		}
		close(f.removed)
		return true
	})
	return len(s.faults) < before
}

func (s *faultSet) list() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		list = append(list, f.Fault)
	}
	return list
}

// take returns the faults that apply to this occurrence of a stage. A fault that
// has done its number of times stays listed, but no longer applies.
func (s *faultSet) take(stage string) []*activeFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var taken []*activeFault
	for _, f := range s.faults {
		if f.Stage != stage && (f.Stage != StageAny || stage == StageStart || stage == StageRunning) {
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

package envsync

import (
	"cmp"
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// Goal is what the variables of a deployment shall be.
type Goal struct {
	// Values has every name that is ours with its wanted value. An empty value means
	// that the variable shall not exist.
	Values map[string]string
	// Secrets are the names of passwords and keys among them.
	Secrets []string
	// Legacy has names that older versions pushed, with the value they derived.
	// Such a variable is removed while it holds that value; with any other it is
	// the operator's.
	Legacy map[string]string
}

// ChangeKind is what happens to one variable.
type ChangeKind string

// The kinds. New, updated and removed are written; nothing else is touched.
const (
	New       ChangeKind = "new"
	Updated   ChangeKind = "updated"
	Removed   ChangeKind = "removed"
	Unchanged ChangeKind = "unchanged"
	Unset     ChangeKind = "unset"   // ours, not wanted and not there
	Foreign   ChangeKind = "foreign" // the operator's own
)

// Change is one variable in a plan: its name, what happens to it and lengths in
// bytes. It never holds a value.
type Change struct {
	Name   string     `json:"name"`
	Kind   ChangeKind `json:"change"`
	Bytes  int        `json:"bytes"`           // of the wanted value, or of a foreign one
	Before int        `json:"bytes_before"`    // of the value in the deployment
	Drift  bool       `json:"drift,omitempty"` // the deployment's value was changed there, not by us
	Note   string     `json:"note,omitempty"`
}

// What is to be known about a change besides its kind.
const (
	noteDrift     = "changed in the deployment since the last sync"
	noteDerived   = "pushed by an older version; functions derive it from TALE_CONFIG_DIR"
	noteOperators = "pushed by an older version and changed by an operator since; left alone"
)

// Plan is how a deployment gets from its current variables to a goal.
type Plan struct {
	Changes []Change `json:"changes"` // sorted by name
	updates []backend.EnvUpdate
}

// NewPlan compares a goal with the variables that a deployment has. The memory of
// the last sync, which may be nil, tells a variable that was changed in the
// deployment from a setting that was changed here.
func NewPlan(goal Goal, current map[string]string, memory *Memory) Plan {
	var plan Plan
	for name, want := range goal.Values {
		plan.addOwned(name, want, current, memory)
	}
	for name, have := range current {
		if _, ours := goal.Values[name]; !ours {
			plan.addOther(name, have, goal.Legacy)
		}
	}
	slices.SortFunc(plan.Changes, func(a, b Change) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(plan.updates, func(a, b backend.EnvUpdate) int { return cmp.Compare(a.Name, b.Name) })
	return plan
}

// Written returns the names of the variables that are not as they should be.
func (p Plan) Written() (names []string) {
	for _, update := range p.updates {
		names = append(names, update.Name)
	}
	return names
}

func (p *Plan) addOwned(name, want string, current map[string]string, memory *Memory) {
	have, exists := current[name]
	change := Change{Name: name, Bytes: len(want), Before: len(have)}
	switch {
	case want == "" && !exists:
		change.Kind = Unset
	case want == "":
		change.Kind = Removed
		p.updates = append(p.updates, backend.EnvUpdate{Name: name})
	case !exists:
		change.Kind = New
		p.updates = append(p.updates, backend.EnvUpdate{Name: name, Value: &want})
	case have != want:
		change.Kind = Updated
		p.updates = append(p.updates, backend.EnvUpdate{Name: name, Value: &want})
	default:
		change.Kind = Unchanged
	}
	if want != have && memory.driftedTo(name, have) {
		change.Drift, change.Note = true, noteDrift
	}
	p.Changes = append(p.Changes, change)
}

func (p *Plan) addOther(name, have string, legacy map[string]string) {
	change := Change{Name: name, Kind: Foreign, Bytes: len(have), Before: len(have)}
	derived, known := legacy[name]
	switch {
	case known && have == derived:
		change.Kind, change.Bytes, change.Note = Removed, 0, noteDerived
		p.updates = append(p.updates, backend.EnvUpdate{Name: name})
	case known:
		change.Note = noteOperators
	}
	p.Changes = append(p.Changes, change)
}

// Updates returns what has to be written, deletions included; empty when the goal is
// reached already.
func (p Plan) Updates() []backend.EnvUpdate { return p.updates }

// Count returns the number of changes of one kind.
func (p Plan) Count(kind ChangeKind) int { return len(p.namesOf(kind)) }

// namesOf returns the variables with one kind of change.
func (p Plan) namesOf(kind ChangeKind) []string {
	return p.names(func(c Change) bool { return c.Kind == kind })
}

// Drift returns the variables of ours that were changed in the deployment.
func (p Plan) Drift() []string {
	return p.names(func(c Change) bool { return c.Drift })
}

func (p Plan) names(want func(Change) bool) []string {
	var names []string
	for _, change := range p.Changes {
		if want(change) {
			names = append(names, change.Name)
		}
	}
	return names
}

// differences returns the names of a goal that a deployment does not hold as wanted.
func (g Goal) differences(current map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(g.Values)) {
		if current[name] != g.Values[name] {
			names = append(names, name)
		}
	}
	return names
}

// presence counts the variables that have a value, and those of them that a
// deployment holds as wanted.
func (g Goal) presence(current map[string]string) (wanted, present int) {
	for name, value := range g.Values {
		if value == "" {
			continue
		}
		wanted++
		if current[name] == value {
			present++
		}
	}
	return wanted, present
}

package push

import (
	"cmp"
	"maps"
	"slices"
)

// EnvGoal is what the variables of a deployment shall be.
type EnvGoal struct {
	// Values has every name that is ours with its wanted value. An empty value means
	// that the variable shall not exist.
	Values map[string]string
	// Legacy has names that older versions pushed, with the value they derived.
	// Such a variable is removed while it holds that value; with any other it is
	// the operator's.
	Legacy map[string]string
}

// EnvChangeKind is what happens to one variable.
type EnvChangeKind string

// The kinds. New, updated and removed are written; nothing else is touched.
const (
	EnvNew       EnvChangeKind = "new"
	EnvUpdated   EnvChangeKind = "updated"
	EnvRemoved   EnvChangeKind = "removed"
	EnvUnchanged EnvChangeKind = "unchanged"
	EnvUnset     EnvChangeKind = "unset"   // ours, not wanted and not there
	EnvForeign   EnvChangeKind = "foreign" // the operator's own
)

// EnvChange is one variable in a plan: its name, what happens to it and lengths in
// bytes. It never holds a value.
type EnvChange struct {
	Name   string        `json:"name"`
	Kind   EnvChangeKind `json:"change"`
	Bytes  int           `json:"bytes"`           // of the wanted value, or of a foreign one
	Before int           `json:"bytes_before"`    // of the value in the deployment
	Drift  bool          `json:"drift,omitempty"` // the deployment's value was changed there, not by us
	Note   string        `json:"note,omitempty"`
}

// EnvPlan is how a deployment gets from its current variables to a goal.
type EnvPlan struct {
	Changes []EnvChange `json:"changes"` // sorted by name
	updates []EnvUpdate
}

// PlanEnv compares a goal with the variables that a deployment has. The memory of
// the last sync, which may be nil, tells a variable that was changed in the
// deployment from a setting that was changed here.
func PlanEnv(goal EnvGoal, current map[string]string, memory *EnvMemory) EnvPlan {
	var plan EnvPlan
	for name, want := range goal.Values {
		plan.addOwned(name, want, current, memory)
	}
	for name, have := range current {
		if _, ours := goal.Values[name]; !ours {
			plan.addOther(name, have, goal.Legacy)
		}
	}
	slices.SortFunc(plan.Changes, func(a, b EnvChange) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(plan.updates, func(a, b EnvUpdate) int { return cmp.Compare(a.Name, b.Name) })
	return plan
}

func (p *EnvPlan) addOwned(name, want string, current map[string]string, memory *EnvMemory) {
	have, exists := current[name]
	change := EnvChange{Name: name, Bytes: len(want), Before: len(have)}
	switch {
	case want == "" && !exists:
		change.Kind = EnvUnset
	case want == "":
		change.Kind = EnvRemoved
		p.updates = append(p.updates, EnvUpdate{Name: name})
	case !exists:
		change.Kind = EnvNew
		p.updates = append(p.updates, EnvUpdate{Name: name, Value: &want})
	case have != want:
		change.Kind = EnvUpdated
		p.updates = append(p.updates, EnvUpdate{Name: name, Value: &want})
	default:
		change.Kind = EnvUnchanged
	}
	if want != have && memory.driftedTo(name, have) {
		change.Drift, change.Note = true, "changed in the deployment since the last sync"
	}
	p.Changes = append(p.Changes, change)
}

func (p *EnvPlan) addOther(name, have string, legacy map[string]string) {
	change := EnvChange{Name: name, Kind: EnvForeign, Bytes: len(have), Before: len(have)}
	derived, known := legacy[name]
	switch {
	case known && have == derived:
		change.Kind, change.Bytes, change.Note = EnvRemoved, 0, "pushed by an older version; functions derive it from TALE_CONFIG_DIR"
		p.updates = append(p.updates, EnvUpdate{Name: name})
	case known:
		change.Note = "pushed by an older version and changed by an operator since; left alone"
	}
	p.Changes = append(p.Changes, change)
}

// Updates are what has to be written, deletions included; empty when the goal is
// reached already.
func (p EnvPlan) Updates() []EnvUpdate { return p.updates }

// Count is the number of changes of one kind.
func (p EnvPlan) Count(kind EnvChangeKind) int { return len(p.Names(kind)) }

// Names are the variables with one kind of change.
func (p EnvPlan) Names(kind EnvChangeKind) []string {
	return p.names(func(c EnvChange) bool { return c.Kind == kind })
}

// Drift are the variables of ours that were changed in the deployment.
func (p EnvPlan) Drift() []string {
	return p.names(func(c EnvChange) bool { return c.Drift })
}

func (p EnvPlan) names(want func(EnvChange) bool) []string {
	var names []string
	for _, change := range p.Changes {
		if want(change) {
			names = append(names, change.Name)
		}
	}
	return names
}

// differences are the names of a goal that a deployment does not hold as wanted.
func (g EnvGoal) differences(current map[string]string) []string {
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
func (g EnvGoal) presence(current map[string]string) (wanted, present int) {
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

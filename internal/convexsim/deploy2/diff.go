package deploy2

import (
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// FinishAnswer says what a push changed.
type FinishAnswer struct {
	AuthDiff        addedRemoved             `json:"authDiff"`
	DefinitionDiffs map[string]struct{}      `json:"definitionDiffs"`
	ComponentDiffs  map[string]componentDiff `json:"componentDiffs"`
}

type addedRemoved struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

type componentDiff struct {
	DiffType      diffType         `json:"diffType"`
	ModuleDiff    addedRemoved     `json:"moduleDiff"`
	UDFConfigDiff *udfConfigDiff   `json:"udfConfigDiff"`
	CronDiff      cronDiff         `json:"cronDiff"`
	IndexDiff     bundle.IndexDiff `json:"indexDiff"`
	SchemaDiff    *schemaDiff      `json:"schemaDiff"`
}

type diffType struct {
	Type string `json:"type"` // create, modify, unmount or remount
}

type udfConfigDiff struct {
	Previous string `json:"previous_version"`
	Next     string `json:"next_version"`
}

type cronDiff struct {
	Added   []string `json:"added"`
	Updated []string `json:"updated"`
	Deleted []string `json:"deleted"`
}

type schemaDiff struct {
	Previous *string `json:"previous_schema"`
	Next     *string `json:"next_schema"`
}

// NewFinishAnswer returns the answer of a push that changed nothing.
func NewFinishAnswer() FinishAnswer {
	return FinishAnswer{addedRemoved{[]string{}, []string{}}, map[string]struct{}{}, map[string]componentDiff{}}
}

func diffComponent(kind string, before, after state.Definition, tablesBefore, tablesAfter []bundle.Table) componentDiff {
	diff := componentDiff{
		DiffType:   diffType{kind},
		ModuleDiff: diffModules(before.Modules, after.Modules),
		CronDiff:   cronDiff{[]string{}, []string{}, []string{}},
		IndexDiff:  bundle.DiffIndexes(tablesBefore, tablesAfter),
	}
	if before.UDFServerVersion != "" && before.UDFServerVersion != after.UDFServerVersion {
		diff.UDFConfigDiff = &udfConfigDiff{before.UDFServerVersion, after.UDFServerVersion}
	}
	if previous, next := state.SchemaText(tablesBefore), state.SchemaText(tablesAfter); previous != next {
		diff.SchemaDiff = &schemaDiff{protocol.OrNull(previous), protocol.OrNull(next)}
	}
	return diff
}

// diffModules lists the modules that are new and those that are gone; changed
// ones are neither, and bundled dependencies do not count.
func diffModules(before, after map[string]state.Module) addedRemoved {
	diff := addedRemoved{[]string{}, []string{}}
	for _, modulePath := range slices.Sorted(maps.Keys(after)) {
		if _, existed := before[modulePath]; !existed && !state.IsDependency(modulePath) {
			diff.Added = append(diff.Added, modulePath)
		}
	}
	for _, modulePath := range slices.Sorted(maps.Keys(before)) {
		if _, exists := after[modulePath]; !exists && !state.IsDependency(modulePath) {
			diff.Removed = append(diff.Removed, modulePath)
		}
	}
	return diff
}

func diffAuth(before, after []bundle.AuthProvider) addedRemoved {
	diff := addedRemoved{[]string{}, []string{}}
	for _, provider := range after {
		if !slices.Contains(before, provider) {
			diff.Added = append(diff.Added, provider.String())
		}
	}
	for _, provider := range before {
		if !slices.Contains(after, provider) {
			diff.Removed = append(diff.Removed, provider.String())
		}
	}
	return diff
}

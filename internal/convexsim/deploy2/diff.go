package convexsim

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
)

// finishAnswer says what a push changed.
type finishAnswer struct {
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

func newFinishAnswer() finishAnswer {
	return finishAnswer{addedRemoved{[]string{}, []string{}}, map[string]struct{}{}, map[string]componentDiff{}}
}

func diffComponent(kind string, before, after Definition, tablesBefore, tablesAfter []bundle.Table) componentDiff {
	diff := componentDiff{
		DiffType:   diffType{kind},
		ModuleDiff: diffModules(before.Modules, after.Modules),
		CronDiff:   cronDiff{[]string{}, []string{}, []string{}},
		IndexDiff:  bundle.DiffIndexes(tablesBefore, tablesAfter),
	}
	if before.UDFServerVersion != "" && before.UDFServerVersion != after.UDFServerVersion {
		diff.UDFConfigDiff = &udfConfigDiff{before.UDFServerVersion, after.UDFServerVersion}
	}
	if previous, next := schemaText(tablesBefore), schemaText(tablesAfter); cmp.Compare(deref(previous), deref(next)) != 0 {
		diff.SchemaDiff = &schemaDiff{previous, next}
	}
	return diff
}

func schemaText(tables []bundle.Table) *string {
	if tables == nil {
		return nil
	}
	text, err := json.Marshal(tables)
	if err != nil {
		return nil
	}
	return orNull(string(text))
}

// diffModules lists the modules that are new and those that are gone; changed
// ones are neither, and bundled dependencies do not count.
func diffModules(before, after map[string]Module) addedRemoved {
	diff := addedRemoved{[]string{}, []string{}}
	for _, modulePath := range sortedKeys(after) {
		if _, existed := before[modulePath]; !existed && !isDependency(modulePath) {
			diff.Added = append(diff.Added, modulePath)
		}
	}
	for _, modulePath := range sortedKeys(before) {
		if _, exists := after[modulePath]; !exists && !isDependency(modulePath) {
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

func sortedKeys[V any](m map[string]V) []string {
	keys := slices.Sorted(maps.Keys(m))
	return bundle.NotNil(keys)
}

package deploy2

import (
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// schemaPrediction is what evaluate_schema says about one component
// (src/cli/lib/deployApi/evaluateSchema.ts of the convex package).
type schemaPrediction struct {
	DefinitionPath   string            `json:"definitionPath"`
	SchemaValidation bool              `json:"schemaValidation"`
	Tables           []tablePrediction `json:"tables"`
	Indexes          []indexPrediction `json:"indexes"`
	Discarded        []any             `json:"discardedStagedValidators"`
}

type tablePrediction struct {
	Name      string `json:"name"`
	Outcome   string `json:"outcome"`
	NumDocs   int    `json:"numDocs"`
	SizeBytes int    `json:"sizeBytes"`
}

// indexPrediction is an index with three more fields.
type indexPrediction map[string]any

// Prediction returns the answer of evaluate_schema; before is the state that the push
// meets.
func (e *Evaluation) Prediction(before *state.State) map[string]any {
	evaluations := map[string]schemaPrediction{}
	unknown := map[string]bool{}
	e.tree.walk(func(componentPath, definitionPath string) {
		if _, known := before.Definitions[definitionPath]; !known {
			unknown[definitionPath] = true
		}
		id := e.change.SchemaIDs[componentPath]
		if id == nil {
			return
		}
		after := e.state.SchemaByID(*id).Tables
		evaluations[componentPath] = predict(definitionPath, before.ActiveTables(componentPath), after)
	})
	return map[string]any{"componentSchemaEvaluations": evaluations, "newComponentDefinitions": bundle.NotNil(slices.Sorted(maps.Keys(unknown)))}
}

func predict(definitionPath string, before, after []bundle.Table) schemaPrediction {
	prediction := schemaPrediction{
		DefinitionPath: definitionPath, SchemaValidation: true,
		Tables: []tablePrediction{}, Indexes: []indexPrediction{}, Discarded: []any{},
	}
	for _, table := range after {
		prediction.Tables = append(prediction.Tables, tablePrediction{Name: table.Name, Outcome: "mustWalk"})
	}
	diff := bundle.DiffIndexes(before, after)
	changes := map[string]string{}
	for change, indexes := range map[string][]bundle.Index{"added": diff.Added, "enabled": diff.Enabled, "disabled": diff.Disabled} {
		for _, index := range indexes {
			changes[index.Name] = change
		}
	}
	for _, index := range bundle.AllIndexes(after) {
		change, changed := changes[index.Name]
		if !changed {
			change = "identical"
		}
		prediction.Indexes = append(prediction.Indexes, predictIndex(index, change))
	}
	for _, index := range diff.Removed {
		prediction.Indexes = append(prediction.Indexes, predictIndex(index, "dropped"))
	}
	return prediction
}

func predictIndex(index bundle.Index, change string) indexPrediction {
	prediction := indexPrediction(index.Object())
	prediction["change"], prediction["numDocs"] = change, 0
	prediction["needsBackfill"] = change == "added" && !index.Staged
	return prediction
}

package backend

import (
	"encoding/json"
	"fmt"
)

// SchemaAnswer is an answer to wait_for_schema. All of them have status 200.
type SchemaAnswer struct {
	Type       string `json:"type"` // complete, inProgress, failed or raceDetected
	Components map[string]struct {
		SchemaValidationComplete bool `json:"schemaValidationComplete"`
		IndexesComplete          int  `json:"indexesComplete"`
		IndexesTotal             int  `json:"indexesTotal"`
	} `json:"components"`
	Error         string `json:"error"`
	ComponentPath string `json:"componentPath"`
	TableName     string `json:"tableName"`
}

// The types of a SchemaAnswer.
const (
	SchemaComplete   = "complete"
	SchemaInProgress = "inProgress"
	SchemaFailed     = "failed"
	SchemaRace       = "raceDetected"
)

// ParseSchemaAnswer reads an answer to wait_for_schema. The error is an
// *UnexpectedAnswerError.
func ParseSchemaAnswer(body []byte) (SchemaAnswer, error) {
	var a SchemaAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return a, &UnexpectedAnswerError{Method: "POST", Path: StageWaitForSchema.Path(), Problem: "it is not the JSON of a Convex backend"}
	}
	switch a.Type {
	case SchemaComplete, SchemaInProgress, SchemaFailed, SchemaRace:
		return a, nil
	}
	return a, &UnexpectedAnswerError{Method: "POST", Path: StageWaitForSchema.Path(), Problem: fmt.Sprintf("its type is %q", a.Type)}
}

// Progress is how far wait_for_schema has come, summed over all components.
type Progress struct {
	IndexesComplete int  `json:"indexes_complete"`
	IndexesTotal    int  `json:"indexes_total"`
	SchemaValidated bool `json:"schema_validated"`
}

// Progress sums up over the components. An answer without components is of a
// finished wait.
func (a SchemaAnswer) Progress() Progress {
	p := Progress{SchemaValidated: true}
	for _, c := range a.Components {
		p.IndexesComplete += c.IndexesComplete
		p.IndexesTotal += c.IndexesTotal
		p.SchemaValidated = p.SchemaValidated && c.SchemaValidationComplete
	}
	return p
}

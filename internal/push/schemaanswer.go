package push

import (
	"encoding/json"
	"fmt"
)

// schemaAnswer is an answer to wait_for_schema. All of them have status 200.
type schemaAnswer struct {
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

const (
	schemaComplete   = "complete"
	schemaInProgress = "inProgress"
	schemaFailed     = "failed"
	schemaRace       = "raceDetected"
)

func parseSchemaAnswer(body []byte) (schemaAnswer, error) {
	var a schemaAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return a, &UnexpectedAnswerError{Method: "POST", Path: StageWaitForSchema.Path(), Problem: "it is not JSON: " + firstWords(body)}
	}
	switch a.Type {
	case schemaComplete, schemaInProgress, schemaFailed, schemaRace:
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

// progress sums up over the components. An answer without components is of a
// finished wait.
func (a schemaAnswer) progress() Progress {
	p := Progress{SchemaValidated: true}
	for _, c := range a.Components {
		p.IndexesComplete += c.IndexesComplete
		p.IndexesTotal += c.IndexesTotal
		p.SchemaValidated = p.SchemaValidated && c.SchemaValidationComplete
	}
	return p
}

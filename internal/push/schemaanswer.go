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

// observation is the failure that the answer reports, if it does.
func (a schemaAnswer) observation() (Observation, bool) {
	o := Observation{Stage: StageWaitForSchema, Status: 200, Message: a.Error, Component: a.ComponentPath, Table: a.TableName}
	switch a.Type {
	case schemaFailed:
		o.Condition = ConditionSchemaFailed
		return o, true
	case schemaRace:
		o.Condition = ConditionSchemaRace
		return o, true
	}
	return o, false
}

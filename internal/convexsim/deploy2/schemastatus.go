package deploy2

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// SchemaStatus is an answer of wait_for_schema.
type SchemaStatus struct {
	Type          string
	Components    map[string]ComponentStatus
	Error         string
	ComponentPath string
	TableName     *string
	Next          time.Duration // until it may have changed; 0 = on a change of state only
}

// ComponentStatus is how far the schema of a component is.
type ComponentStatus struct {
	SchemaValidationComplete bool `json:"schemaValidationComplete"`
	IndexesComplete          int  `json:"indexesComplete"`
	IndexesTotal             int  `json:"indexesTotal"`
}

// MarshalJSON writes the fields of the status's type.
func (s SchemaStatus) MarshalJSON() ([]byte, error) {
	object := map[string]any{"type": s.Type}
	switch s.Type {
	case "inProgress":
		object["components"] = s.Components
	case "failed":
		object["error"], object["componentPath"], object["tableName"] = s.Error, s.ComponentPath, s.TableName
	}
	return json.Marshal(object)
}

// DecodeSchemaChange reads a schemaChange that a client sends back.
func DecodeSchemaChange(raw *json.RawMessage) (SchemaChange, error) {
	var change SchemaChange
	if raw == nil {
		return change, protocol.MissingField("schemaChange")
	}
	if err := json.Unmarshal(*raw, &change); err != nil {
		return change, protocol.BadRequest("BadJsonBody", "Failed to deserialize the JSON body into the target type: %v", err)
	}
	if change.AllocatedComponentIDs == nil {
		return change, protocol.MissingField("allocatedComponentIds")
	}
	if change.SchemaIDs == nil {
		return change, protocol.MissingField("schemaIds")
	}
	return change, nil
}

// StatusOf returns the state of the given schemas at a time.
func StatusOf(s *state.State, ids map[string]*string, now time.Time) (SchemaStatus, error) {
	status := SchemaStatus{Type: "complete", Components: map[string]ComponentStatus{}}
	for _, componentPath := range slices.Sorted(maps.Keys(ids)) {
		id := ids[componentPath]
		if id == nil {
			continue
		}
		schema := s.SchemaByID(*id)
		if schema == nil {
			return status, protocol.InternalError() // forgotten, as the backend forgets old ones
		}
		switch schema.State {
		case state.SchemaOverwritten:
			return SchemaStatus{Type: "raceDetected"}, nil
		case state.SchemaFailed:
			return SchemaStatus{Type: "failed", Error: schema.Error, ComponentPath: componentPath, TableName: protocol.OrNull(schema.Table)}, nil
		default:
			status.addComponent(componentPath, schema, s.ActiveTables(componentPath), now)
		}
	}
	return status, nil
}

func (s *SchemaStatus) addComponent(componentPath string, schema *state.Schema, active []bundle.Table, now time.Time) {
	total := len(schema.BuiltIndexes()) + len(bundle.DiffIndexes(active, schema.Tables).Removed)
	left, next := schema.Backfill.Left(now)
	if schema.Backfill != nil {
		total = max(total, schema.Backfill.Indexes)
	}
	s.Components[componentPath] = ComponentStatus{true, total - left, total}
	if left > 0 {
		s.Type = "inProgress"
		if s.Next == 0 || next < s.Next {
			s.Next = next
		}
	}
}

// BeginBackfill starts the pretended building of indexes that a fault asks for,
// once per schema.
func BeginBackfill(s *state.State, ids map[string]*string, fault fault.Fault, now time.Time) {
	if fault.Indexes == 0 {
		return
	}
	for componentPath, id := range ids {
		if id == nil || componentPath != fault.Component {
			continue
		}
		if schema := s.SchemaByID(*id); schema != nil && schema.Backfill == nil && schema.State == state.SchemaValidated {
			schema.Backfill = &state.Backfill{Started: now, Indexes: fault.Indexes, Each: fault.IndexTime}
		}
	}
}

// FailSchemas fails or overwrites the schema that a fault means, as its documents or
// another push would.
func FailSchemas(s *state.State, ids map[string]*string, fault fault.Fault) {
	id := ids[fault.Component]
	if id == nil {
		return
	}
	schema := s.SchemaByID(*id)
	if schema == nil || schema.State == state.SchemaActive && fault.SchemaError != "" {
		return
	}
	if fault.SchemaError != "" {
		schema.State, schema.Error, schema.Table = state.SchemaFailed, fault.SchemaError, fault.Table
	}
	if fault.Race {
		schema.State = state.SchemaOverwritten
	}
}

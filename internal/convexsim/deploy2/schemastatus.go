package convexsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
)

// defaultSchemaWait is how long wait_for_schema waits when the client does not say.
const defaultSchemaWait = 10_000 // milliseconds

// schemaStatus is an answer of wait_for_schema.
type schemaStatus struct {
	Type          string
	Components    map[string]componentStatus
	Error         string
	ComponentPath string
	TableName     *string
	next          time.Duration // until it may have changed; 0 = on a change of state only
}

type componentStatus struct {
	SchemaValidationComplete bool `json:"schemaValidationComplete"`
	IndexesComplete          int  `json:"indexesComplete"`
	IndexesTotal             int  `json:"indexesTotal"`
}

// MarshalJSON writes the fields of the status's type.
func (s schemaStatus) MarshalJSON() ([]byte, error) {
	object := map[string]any{"type": s.Type}
	switch s.Type {
	case "inProgress":
		object["components"] = s.Components
	case "failed":
		object["error"], object["componentPath"], object["tableName"] = s.Error, s.ComponentPath, s.TableName
	}
	return json.Marshal(object)
}

// handleWaitForSchema is POST /api/deploy2/wait_for_schema: it answers when the
// schemas are complete or failed, or when the client's time is over.
func (s *Server) handleWaitForSchema(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		AdminKey     *string          `json:"adminKey"`
		SchemaChange *json.RawMessage `json:"schemaChange"`
		TimeoutMs    *uint32          `json:"timeoutMs"`
	}
	if err := s.readPushJSON(r, &request); err != nil {
		return err
	}
	if request.AdminKey == nil {
		return missingField("adminKey")
	}
	change, err := decodeSchemaChange(request.SchemaChange)
	if err != nil {
		return err
	}
	if _, err := s.bodyIdentity(*request.AdminKey); err != nil {
		return err
	}
	timeout := uint32(defaultSchemaWait)
	if request.TimeoutMs != nil {
		timeout = *request.TimeoutMs
	}
	if err := s.applySchemaFaults(r, change.SchemaIDs); err != nil {
		return err
	}
	status, err := s.awaitSchemas(r, change.SchemaIDs, time.Duration(timeout)*time.Millisecond)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, status)
	return nil
}

// decodeSchemaChange reads a schemaChange that a client sends back.
func decodeSchemaChange(raw *json.RawMessage) (schemaChange, error) {
	var change schemaChange
	if raw == nil {
		return change, missingField("schemaChange")
	}
	if err := json.Unmarshal(*raw, &change); err != nil {
		return change, badRequest("BadJsonBody", "Failed to deserialize the JSON body into the target type: %v", err)
	}
	if change.AllocatedComponentIDs == nil {
		return change, missingField("allocatedComponentIds")
	}
	if change.SchemaIDs == nil {
		return change, missingField("schemaIds")
	}
	return change, nil
}

// applySchemaFaults changes the schemas as the faults of this request say.
func (s *Server) applySchemaFaults(r *http.Request, ids map[string]*string) error {
	for _, fault := range faultsOf(r) {
		err := s.store.update(func(state *State) error {
			state.beginBackfill(ids, fault.Fault, time.Now())
			state.spoilSchemas(ids, fault.Fault)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) awaitSchemas(r *http.Request, ids map[string]*string, timeout time.Duration) (schemaStatus, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		state, changed := s.store.watch()
		status, err := state.schemaStatus(ids, time.Now())
		if err != nil || status.Type != "inProgress" {
			return status, err
		}
		progress := time.NewTimer(status.next)
		select {
		case <-changed:
		case <-progress.C:
		case <-deadline.C:
			progress.Stop()
			return status, nil
		case <-r.Context().Done():
			progress.Stop()
			return status, timedOut()
		}
		progress.Stop()
	}
}

// schemaStatus is the state of the given schemas at a time.
func (s *State) schemaStatus(ids map[string]*string, now time.Time) (schemaStatus, error) {
	status := schemaStatus{Type: "complete", Components: map[string]componentStatus{}}
	for _, componentPath := range slices.Sorted(maps.Keys(ids)) {
		id := ids[componentPath]
		if id == nil {
			continue
		}
		i := s.schemaByID(*id)
		if i < 0 {
			return status, internalError() // forgotten, as the backend forgets old ones
		}
		switch schema := s.Schemas[i]; schema.State {
		case SchemaOverwritten:
			return schemaStatus{Type: "raceDetected"}, nil
		case SchemaFailed:
			return schemaStatus{Type: "failed", Error: schema.Error, ComponentPath: componentPath, TableName: orNull(schema.Table)}, nil
		default:
			status.addComponent(componentPath, schema, s.activeTables(componentPath), now)
		}
	}
	return status, nil
}

func (s *schemaStatus) addComponent(componentPath string, schema Schema, active []bundle.Table, now time.Time) {
	total := len(schema.indexes()) + len(bundle.DiffIndexes(active, schema.Tables).Removed)
	left, next := schema.Backfill.left(now)
	if schema.Backfill != nil {
		total = max(total, schema.Backfill.Indexes)
	}
	s.Components[componentPath] = componentStatus{true, total - left, total}
	if left > 0 {
		s.Type = "inProgress"
		if s.next == 0 || next < s.next {
			s.next = next
		}
	}
}

// beginBackfill starts the pretended building of indexes that a fault asks for,
// once per schema.
func (s *State) beginBackfill(ids map[string]*string, fault fault.Fault, now time.Time) {
	if fault.Indexes == 0 {
		return
	}
	for componentPath, id := range ids {
		if id == nil || componentPath != fault.Component {
			continue
		}
		if i := s.schemaByID(*id); i >= 0 && s.Schemas[i].Backfill == nil && s.Schemas[i].State == SchemaValidated {
			s.Schemas[i].Backfill = &Backfill{Started: now, Indexes: fault.Indexes, Each: fault.IndexTime}
		}
	}
}

// spoilSchemas fails or overwrites the schemas that a fault means.
func (s *State) spoilSchemas(ids map[string]*string, fault fault.Fault) {
	id := ids[fault.Component]
	if id == nil {
		return
	}
	i := s.schemaByID(*id)
	if i < 0 || s.Schemas[i].State == SchemaActive && fault.SchemaError != "" {
		return
	}
	if fault.SchemaError != "" {
		s.Schemas[i].State, s.Schemas[i].Error, s.Schemas[i].Table = SchemaFailed, fault.SchemaError, fault.Table
	}
	if fault.Race {
		s.Schemas[i].State = SchemaOverwritten
	}
}

package state

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
)

// PushEvent is the audit log's entry of a finished push, as far as it is kept.
type PushEvent struct {
	Time   time.Time `json:"time"`
	Member uint64    `json:"member"` // of the admin key that finish_push was called with
}

// LastPushDocument has the member as text, as the JSON format writes integers.
func (s State) LastPushDocument() any {
	if s.LastPush == nil {
		return nil
	}
	return map[string]any{
		"_creationTime": float64(s.LastPush.Time.UnixMilli()),
		"action":        "push_config_with_components",
		"member_id":     strconv.FormatUint(s.LastPush.Member, 10),
		"metadata":      map[string]any{},
	}
}

// BackendStateDocument returns the one row of _backend_state.
func (s State) BackendStateDocument() any {
	state := "running"
	if s.Paused {
		state = "paused"
	}
	return map[string]any{"state": state}
}

// FunctionDocuments lists the app's functions. What kind a function is and what
// arguments it takes is not known here: each is said to be a query without any.
func (s State) FunctionDocuments() []map[string]any {
	documents := []map[string]any{}
	modules := s.Definitions[""].Modules
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		if IsDependency(path) || modules[path].Environment == "node" {
			continue
		}
		for _, name := range modules[path].Exports {
			if name == "default" {
				continue
			}
			documents = append(documents, map[string]any{
				"identifier": path + ":" + name, "functionType": "Query", "visibility": map[string]any{"kind": "public"},
				"args": map[string]any{"type": "object", "value": map[string]any{}}, "returns": map[string]any{"type": "any"},
			})
		}
	}
	return documents
}

// ComponentDocuments lists the components, in the order of their paths.
func (s State) ComponentDocuments() []map[string]any {
	documents := []map[string]any{}
	for _, path := range slices.Sorted(maps.Keys(s.Components)) {
		state := "active"
		if s.Components[path].Unmounted {
			state = "unmounted"
		}
		documents = append(documents, map[string]any{
			"id": s.Components[path].ID, "path": path, "name": nil, "args": map[string]any{}, "state": state,
		})
	}
	return documents
}

// ComponentByID returns the path of a component; the app is asked for with null.
func (s State) ComponentByID(id any) string {
	for path, component := range s.Components {
		if component.ID == id {
			return path
		}
	}
	return ""
}

// SchemasOf has the active and the pending schema, without those that are not there.
func (s State) SchemasOf(component string) map[string]any {
	schemas := map[string]any{}
	for field, state := range map[string]string{"active": SchemaActive, "inProgress": SchemaValidated} {
		if schema := s.SchemaOf(component, state); schema != nil {
			schemas[field] = cmp.Or(SchemaText(schema.Tables), `{"tables":[]}`)
		}
	}
	return schemas
}

// IndexDocuments pretends that a backfill reads one document in a millisecond.
func (s State) IndexDocuments(component, table string) []map[string]any {
	documents := []map[string]any{}
	schema := s.SchemaOf(component, SchemaValidated)
	if schema == nil {
		return documents
	}
	left, _ := schema.Backfill.Left(time.Now())
	for _, index := range schema.BuiltIndexes() {
		name, isOf := strings.CutPrefix(index.Name, table+".")
		if !isOf {
			continue
		}
		backfill := map[string]any{"state": "done"}
		if left > 0 {
			total := schema.Backfill.Each * time.Duration(schema.Backfill.Indexes)
			backfill = map[string]any{"state": "backfilling", "stats": map[string]any{
				"numDocsIndexed": time.Since(schema.Backfill.Started).Milliseconds(), "totalDocs": total.Milliseconds(),
			}}
		}
		documents = append(documents, map[string]any{"name": name, "staged": index.Staged, "backfill": backfill})
	}
	return documents
}

// SchemaText returns tables as the backend writes a schema, "" for no schema.
func SchemaText(tables []bundle.Table) string {
	if tables == nil {
		return ""
	}
	text, err := json.Marshal(tables)
	if err != nil {
		return ""
	}
	return string(text)
}

// EnvironmentDocument is a variable as the backend's table has it.
type EnvironmentDocument struct {
	CreationTime float64 `json:"_creationTime"`
	ID           string  `json:"_id"`
	Name         string  `json:"name"`
	Value        string  `json:"value"`
}

// EnvironmentDocuments lists the variables, in the order of their names.
func (s State) EnvironmentDocuments() []EnvironmentDocument {
	documents := []EnvironmentDocument{}
	for i, name := range slices.Sorted(maps.Keys(s.Environment)) {
		id := fnv.New128a()
		_, _ = id.Write([]byte(name))
		documents = append(documents, EnvironmentDocument{float64(1_700_000_000_000 + i), hex.EncodeToString(id.Sum(nil)), name, s.Environment[name]})
	}
	return documents
}

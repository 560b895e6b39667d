package convexsim

import (
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
)

// System queries of the backend that its dashboard uses, and that tell a deploy
// what is there.
const (
	lastPushQuery   = "_system/frontend/deploymentEvents:lastPushEvent"
	componentsQuery = "_system/frontend/components:list"
	schemasQuery    = "_system/frontend/getSchemas:default"
	indexesQuery    = "_system/frontend/indexes:default"
)

// PushEvent is the audit log's entry of a finished push, as far as it is kept.
type PushEvent struct {
	Time   time.Time `json:"time"`
	Member uint64    `json:"member"` // of the admin key that finish_push was called with
}

// recordPush remembers who pushed, in the transaction of the push.
func (s *Server) recordPush(state *State, key string) error {
	opened, err := keybroker.Open(s.options.InstanceName, s.options.InstanceSecret, key)
	if err != nil {
		return badAdminKey()
	}
	state.LastPush = &PushEvent{Time: time.Now(), Member: opened.Member}
	return nil
}

// dashboardQuery answers the dashboard's queries; known is false for others.
func (s *Server) dashboardQuery(name string, arguments map[string]any) (value any, known bool) {
	state := s.store.view()
	switch name {
	case lastPushQuery:
		return state.lastPushDocument(), true
	case componentsQuery:
		return state.componentDocuments(), true
	case schemasQuery:
		return state.schemasOf(state.componentByID(arguments["componentId"])), true
	case indexesQuery:
		table, _ := arguments["tableName"].(string)
		return state.indexDocuments(state.componentByID(arguments["tableNamespace"]), table), true
	}
	return nil, false
}

// lastPushDocument has the member as text, as the JSON format writes integers.
func (s State) lastPushDocument() any {
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

func (s State) componentDocuments() []map[string]any {
	documents := []map[string]any{}
	for _, path := range sortedKeys(s.Components) {
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

// componentByID returns the path of a component; the app is asked for with null.
func (s State) componentByID(id any) string {
	for path, component := range s.Components {
		if component.ID == id {
			return path
		}
	}
	return ""
}

// schemasOf has the active and the pending schema, without those that are not there.
func (s State) schemasOf(component string) map[string]any {
	schemas := map[string]any{}
	for field, state := range map[string]string{"active": SchemaActive, "inProgress": SchemaValidated} {
		if i := s.findSchema(component, state); i >= 0 {
			schemas[field] = `{"tables":[]}`
			if text := schemaText(s.Schemas[i].Tables); text != nil {
				schemas[field] = *text
			}
		}
	}
	return schemas
}

// indexDocuments pretends that a backfill reads one document in a millisecond.
func (s State) indexDocuments(component, table string) []map[string]any {
	documents := []map[string]any{}
	i := s.findSchema(component, SchemaValidated)
	if i < 0 {
		return documents
	}
	left, _ := s.Schemas[i].Backfill.left(time.Now())
	for _, index := range s.Schemas[i].indexes() {
		name, isOf := strings.CutPrefix(index.Name, table+".")
		if !isOf {
			continue
		}
		backfill := map[string]any{"state": "done"}
		if left > 0 {
			total := s.Schemas[i].Backfill.Each * time.Duration(s.Schemas[i].Backfill.Indexes)
			backfill = map[string]any{"state": "backfilling", "stats": map[string]any{
				"numDocsIndexed": time.Since(s.Schemas[i].Backfill.Started).Milliseconds(), "totalDocs": total.Milliseconds(),
			}}
		}
		documents = append(documents, map[string]any{"name": name, "staged": index.Staged, "backfill": backfill})
	}
	return documents
}

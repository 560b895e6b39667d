package convexsim

import (
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
)

// States of a schema, as in the backend's own table.
const (
	SchemaValidated   = "validated" // every document matches; awaits its finish_push
	SchemaActive      = "active"
	SchemaOverwritten = "overwritten" // another start_push came in between
	SchemaFailed      = "failed"
)

// keptSchemas is how many dead schemas stay, for clients that still wait for
// one; the oldest go First.
const keptSchemas = 20

// Schema is one version of the schema of the app or of a component. There are no
// documents here, so it is validated from its First moment.
type Schema struct {
	ID        string         `json:"id"`
	Component string         `json:"component"` // component path
	SHA256    string         `json:"sha256"`    // of the schema module
	State     string         `json:"state"`
	Tables    []bundle.Table `json:"tables,omitempty"`
	Error     string         `json:"error,omitempty"` // of a failed one
	Table     string         `json:"table,omitempty"` // of the error
	Backfill  *Backfill      `json:"backfill,omitempty"`
}

// Backfill is the pretended building of indexes, one after the other.
type Backfill struct {
	Started time.Time     `json:"started"`
	Indexes int           `json:"indexes"`
	Each    time.Duration `json:"each"`
}

// left is how many indexes are not ready, and how long until the next one is.
func (b *Backfill) left(now time.Time) (indexes int, next time.Duration) {
	if b == nil || b.Each <= 0 {
		return 0, 0
	}
	elapsed := now.Sub(b.Started)
	done := int(elapsed / b.Each)
	if done >= b.Indexes {
		return 0, 0
	}
	return b.Indexes - done, b.Each - elapsed%b.Each
}

// indexes lists the schema's indexes that have to be built; staged ones have not.
func (s Schema) indexes() []bundle.Index {
	var indexes []bundle.Index
	for _, table := range s.Tables {
		for _, index := range table.Indexes {
			if !index.Staged {
				indexes = append(indexes, index)
			}
		}
	}
	return indexes
}

// submitSchema makes a schema the pending one of a component and returns its id.
// As in the backend, the one that is active or pending already is used again,
// and one that differs is overwritten.
func (s *State) submitSchema(component string, schema *pushedModule) string {
	sha := schema.SHA256
	for _, state := range []string{SchemaActive, SchemaValidated} {
		if i := s.findSchema(component, state); i >= 0 && s.Schemas[i].SHA256 == sha {
			if state == SchemaActive {
				s.overwritePending(component)
			}
			return s.Schemas[i].ID
		}
	}
	s.overwritePending(component)
	added := Schema{ID: s.newID("schema"), Component: component, SHA256: sha, State: SchemaValidated, Tables: bundle.Tables(schema.source)}
	s.Schemas = append(s.Schemas, added)
	s.forgetSchemas()
	return added.ID
}

func (s *State) overwritePending(component string) {
	if i := s.findSchema(component, SchemaValidated); i >= 0 {
		s.Schemas[i].State = SchemaOverwritten
	}
}

func (s *State) findSchema(component, state string) int {
	return slices.IndexFunc(s.Schemas, func(schema Schema) bool {
		return schema.Component == component && schema.State == state
	})
}

func (s *State) schemaByID(id string) int {
	return slices.IndexFunc(s.Schemas, func(schema Schema) bool { return schema.ID == id })
}

// activateSchema is the part of finish_push about one component; an empty id
// means that it has no schema any more.
func (s *State) activateSchema(component, id string) error {
	if id == "" {
		s.clearActive(component)
		return nil
	}
	i := s.schemaByID(id)
	if i < 0 {
		return internalError()
	}
	switch schema := s.Schemas[i]; schema.State {
	case SchemaOverwritten:
		return badRequest("SchemaAlreadyOverwritten", "Schema has already been overwritten.")
	case SchemaFailed:
		return badRequest("SchemaAlreadyFailed", "Schema has already been failed with error: %s", schema.Error)
	case SchemaValidated:
		if left, _ := schema.Backfill.left(time.Now()); left > 0 {
			return internalError()
		}
		s.clearActive(component)
		s.Schemas[i].State = SchemaActive
	}
	return nil
}

func (s *State) clearActive(component string) {
	if i := s.findSchema(component, SchemaActive); i >= 0 {
		s.Schemas[i].State = SchemaOverwritten
	}
}

func (s *State) forgetSchemas() {
	dead := 0
	for i := len(s.Schemas) - 1; i >= 0; i-- {
		if state := s.Schemas[i].State; state != SchemaOverwritten && state != SchemaFailed {
			continue
		}
		if dead++; dead > keptSchemas {
			s.Schemas = slices.Delete(s.Schemas, i, i+1)
		}
	}
}

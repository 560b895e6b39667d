package state

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// States of a schema, as in the backend's own table.
const (
	SchemaValidated   = "validated" // every document matches; awaits its finish_push
	SchemaActive      = "active"
	SchemaOverwritten = "overwritten" // another start_push came in between
	SchemaFailed      = "failed"
)

// keptSchemas is how many dead schemas stay, for clients that still wait for
// one; the oldest go first.
const keptSchemas = 20

// Schema is one version of the schema of the app or of a component. There are no
// documents here, so it is validated from its first moment.
type Schema struct {
	ID        string         `json:"id"`
	Component string         `json:"component"` // component path
	SHA256    string         `json:"sha256"`    // of the schema module, comments aside
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

// Left returns how many indexes are not ready, and how long until the next one is.
func (b *Backfill) Left(now time.Time) (indexes int, next time.Duration) {
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

// BuiltIndexes lists the indexes that have to be built; staged ones have not.
func (s Schema) BuiltIndexes() []bundle.Index {
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

// SubmitSchema makes a schema the pending one of a component and returns its id.
// As in the backend, the one that is active or pending already is used again,
// and one that differs is overwritten. The backend compares what the modules
// evaluate to (crates/database/src/bootstrap_model/schema/mod.rs), so that neither
// comments nor line breaks make another schema.
func (s *State) SubmitSchema(component, source string) string {
	sum := sha256.Sum256([]byte(bundle.WithoutComments(source)))
	sha := hex.EncodeToString(sum[:])
	for _, state := range []string{SchemaActive, SchemaValidated} {
		if schema := s.SchemaOf(component, state); schema != nil && schema.SHA256 == sha {
			if state == SchemaActive {
				s.overwrite(component, SchemaValidated)
			}
			return schema.ID
		}
	}
	s.overwrite(component, SchemaValidated)
	added := Schema{ID: s.NewID("schema"), Component: component, SHA256: sha, State: SchemaValidated, Tables: bundle.Tables(source)}
	s.Schemas = append(s.Schemas, added)
	s.forgetSchemas()
	return added.ID
}

// overwrite voids the schema that a component has in a state, if it has one.
func (s *State) overwrite(component, state string) {
	if schema := s.SchemaOf(component, state); schema != nil {
		schema.State = SchemaOverwritten
	}
}

// SchemaOf returns the schema that a component has in a state, or nil.
func (s *State) SchemaOf(component, state string) *Schema {
	return s.schema(func(schema Schema) bool { return schema.Component == component && schema.State == state })
}

// SchemaByID returns a schema, or nil for one that was forgotten.
func (s *State) SchemaByID(id string) *Schema {
	return s.schema(func(schema Schema) bool { return schema.ID == id })
}

func (s *State) schema(wanted func(Schema) bool) *Schema {
	if i := slices.IndexFunc(s.Schemas, wanted); i >= 0 {
		return &s.Schemas[i]
	}
	return nil
}

// ActiveTables returns the tables of a component's active schema.
func (s *State) ActiveTables(component string) []bundle.Table {
	if schema := s.SchemaOf(component, SchemaActive); schema != nil {
		return schema.Tables
	}
	return nil
}

// ActivateSchema does the part of finish_push about one component; an empty id
// means that it has no schema any more.
func (s *State) ActivateSchema(component, id string) error {
	if id == "" {
		s.overwrite(component, SchemaActive)
		return nil
	}
	schema := s.SchemaByID(id)
	if schema == nil {
		return protocol.InternalError()
	}
	switch schema.State {
	case SchemaOverwritten:
		return protocol.BadRequest("SchemaAlreadyOverwritten", "Schema has already been overwritten.")
	case SchemaFailed:
		return protocol.BadRequest("SchemaAlreadyFailed", "Schema has already been failed with error: %s", schema.Error)
	case SchemaValidated:
		if left, _ := schema.Backfill.Left(time.Now()); left > 0 {
			return protocol.InternalError()
		}
		s.overwrite(component, SchemaActive)
		schema.State = SchemaActive
	}
	return nil
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

package convexsim

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/deploy2"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// defaultSchemaWait is how long wait_for_schema waits when the client does not say.
const defaultSchemaWait = 10_000 // milliseconds

// handleWaitForSchema serves POST /api/deploy2/wait_for_schema: it answers when the
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
		return protocol.MissingField("adminKey")
	}
	change, err := deploy2.DecodeSchemaChange(request.SchemaChange)
	if err != nil {
		return err
	}
	if _, err := s.broker.OfBody(*request.AdminKey); err != nil {
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
	protocol.WriteJSON(w, http.StatusOK, status)
	return nil
}

// applySchemaFaults changes the schemas as the faults of this request say.
func (s *Server) applySchemaFaults(r *http.Request, ids map[string]*string) error {
	for _, fault := range faultsOf(r) {
		err := s.store.Update(func(next *state.State) error {
			deploy2.BeginBackfill(next, ids, fault.Fault, time.Now())
			deploy2.FailSchemas(next, ids, fault.Fault)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) awaitSchemas(r *http.Request, ids map[string]*string, timeout time.Duration) (deploy2.SchemaStatus, error) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		stored, changed := s.store.Watch()
		status, err := deploy2.StatusOf(&stored, ids, time.Now())
		if err != nil || status.Type != "inProgress" {
			return status, err
		}
		progress := time.NewTimer(status.Next)
		select {
		case <-changed:
		case <-progress.C:
		case <-deadline.C:
			progress.Stop()
			return status, nil
		case <-r.Context().Done():
			progress.Stop()
			return status, protocol.TimedOut()
		}
		progress.Stop()
	}
}

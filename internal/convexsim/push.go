package convexsim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/deploy2"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// handleHashes serves POST /api/get_config_hashes, with which a client finds out what
// it need not send again.
func (s *Server) handleHashes(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		AdminKey *string `json:"adminKey"`
	}
	if err := protocol.ReadJSON(r, protocol.DefaultBodyLimit, &request); err != nil {
		return err
	}
	if request.AdminKey == nil {
		return protocol.MissingField("adminKey")
	}
	if _, err := s.broker.OfBody(*request.AdminKey); err != nil {
		return err
	}
	type hash struct {
		Path        string `json:"path"`
		Hash        string `json:"hash"`
		Environment string `json:"environment"`
	}
	stored := s.store.View()
	active := stored.Definitions[""]
	hashes := []hash{}
	for _, modulePath := range slices.Sorted(maps.Keys(active.Modules)) {
		module := active.Modules[modulePath]
		hashes = append(hashes, hash{modulePath, module.SHA256, module.Environment})
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]any{
		"config":           map[string]string{"functions": "convex/"},
		"moduleHashes":     hashes,
		"udfServerVersion": protocol.OrNull(active.UDFServerVersion),
		"nodeVersion":      protocol.OrNull(stored.NodeVersion),
	})
	return nil
}

// readPush reads a push and checks all that needs no state.
func (s *Server) readPush(r *http.Request) (*deploy2.Request, error) {
	body, err := protocol.OpenPush(r, s.options.MaxPushBytes)
	if err != nil {
		return nil, err
	}
	request, err := deploy2.Decode(r.Context(), body, s.functions != nil)
	if err != nil {
		return nil, err
	}
	who, err := s.broker.OfBody(request.AdminKey())
	if err != nil {
		return nil, err
	}
	if err := who.MustWrite(); err != nil {
		return nil, err
	}
	return request, request.Check()
}

// handleStartPush serves POST /api/deploy2/start_push: the code is uploaded and the
// schemas are pending, nothing is active. A dry run makes no difference.
func (s *Server) handleStartPush(w http.ResponseWriter, r *http.Request) error {
	request, err := s.readPush(r)
	if err != nil {
		return err
	}
	if s.functions != nil {
		if err := request.Sources(s.functions.Keep); err != nil {
			return err
		}
	}
	now := time.Now()
	var answer deploy2.StartPushAnswer
	err = s.store.Update(func(next *state.State) error {
		evaluated, err := deploy2.Evaluate(request, next)
		if err != nil {
			return err
		}
		for _, fault := range faultsOf(r) {
			deploy2.BeginBackfill(next, evaluated.Change().SchemaIDs, fault.Fault, now)
		}
		answer = evaluated.Answer(now)
		return nil
	})
	if err != nil {
		return protocol.WhilePushing(err)
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// handleFinishPush serves POST /api/deploy2/finish_push, the only request that makes
// a push active.
func (s *Server) handleFinishPush(w http.ResponseWriter, r *http.Request) error {
	var request deploy2.FinishRequest
	if err := s.readPushJSON(r, &request); err != nil {
		return err
	}
	if err := request.Complete(); err != nil {
		return err
	}
	change, err := deploy2.DecodeSchemaChange(request.StartPush.SchemaChange)
	if err != nil {
		return err
	}
	who, err := s.broker.OfBody(*request.AdminKey)
	if err != nil {
		return err
	}
	if err := who.MustWrite(); err != nil {
		return err
	}
	answer := deploy2.NewFinishAnswer()
	if !*request.DryRun {
		err = s.store.Update(func(next *state.State) error {
			if err := deploy2.Finish(next, &request, change, &answer); err != nil {
				return err
			}
			return s.recordPush(next, *request.AdminKey)
		})
	}
	if err != nil {
		return protocol.WhilePushing(err)
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
	return nil
}

// recordPush remembers who pushed, in the transaction of the push.
func (s *Server) recordPush(next *state.State, key string) error {
	member, err := s.broker.Member(key)
	if err != nil {
		return err
	}
	next.LastPush = &state.PushEvent{Time: time.Now(), Member: member}
	return nil
}

// handleEvaluatePush serves POST /api/deploy2/evaluate_push: start_push without its
// effects.
func (s *Server) handleEvaluatePush(w http.ResponseWriter, r *http.Request) error {
	request, err := s.readPush(r)
	if err != nil {
		return err
	}
	stored := s.store.View()
	evaluated, err := deploy2.Evaluate(request, &stored)
	if err != nil {
		return protocol.WhilePushing(err)
	}
	protocol.WriteJSON(w, http.StatusOK, map[string]any{"schemaChange": evaluated.Change()})
	return nil
}

// handleEvaluateSchema serves POST /api/deploy2/evaluate_schema of newer backends.
// All tables are empty here, so that nothing takes time.
func (s *Server) handleEvaluateSchema(w http.ResponseWriter, r *http.Request) error {
	request, err := s.readPush(r)
	if err != nil {
		return err
	}
	before := s.store.View()
	after := before.Clone()
	evaluated, err := deploy2.Evaluate(request, &after)
	if err != nil {
		return protocol.WhilePushing(err)
	}
	protocol.WriteJSON(w, http.StatusOK, evaluated.Prediction(&before))
	return nil
}

// handleReport serves POST /api/deploy2/report_push_completed, which only matters to
// those who look at traces.
func (s *Server) handleReport(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		AdminKey *string            `json:"adminKey"`
		Spans    *[]json.RawMessage `json:"spans"`
	}
	if err := s.readPushJSON(r, &request); err != nil {
		return err
	}
	if request.AdminKey == nil {
		return protocol.MissingField("adminKey")
	}
	if request.Spans == nil {
		return protocol.MissingField("spans")
	}
	who, err := s.broker.OfBody(*request.AdminKey)
	if err != nil {
		return err
	}
	if err := who.MustWrite(); err != nil {
		return err
	}
	protocol.WriteJSON(w, http.StatusOK, nil)
	return nil
}

// readPushJSON reads as readJSON does, with what the push routes allow.
func (s *Server) readPushJSON(r *http.Request, v any) error {
	body, err := protocol.OpenPush(r, s.options.MaxPushBytes)
	if err != nil {
		return err
	}
	return protocol.DecodeJSON(r.Context(), body, v)
}

package convexsim

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"
)

// handleHashes is POST /api/get_config_hashes, with which a client finds out what
// it need not send again.
func (s *Server) handleHashes(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		AdminKey *string `json:"adminKey"`
	}
	if err := readJSON(r, defaultBodyLimit, &request); err != nil {
		return err
	}
	if request.AdminKey == nil {
		return missingField("adminKey")
	}
	if _, err := s.bodyIdentity(*request.AdminKey); err != nil {
		return err
	}
	type hash struct {
		Path        string `json:"path"`
		Hash        string `json:"hash"`
		Environment string `json:"environment"`
	}
	state := s.store.view()
	active := state.Definitions[""]
	hashes := []hash{}
	for _, modulePath := range slices.Sorted(maps.Keys(active.Modules)) {
		module := active.Modules[modulePath]
		hashes = append(hashes, hash{modulePath, module.SHA256, module.Environment})
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"config":           map[string]string{"functions": "convex/"},
		"moduleHashes":     hashes,
		"udfServerVersion": orNull(active.UDFServerVersion),
		"nodeVersion":      orNull(state.NodeVersion),
	})
	return nil
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// readPush reads a push and checks all that needs no state.
func (s *Server) readPush(r *http.Request) (*pushRequest, error) {
	body, err := s.openPush(r)
	if err != nil {
		return nil, err
	}
	request, err := decodePush(r.Context(), body)
	if err != nil {
		return nil, err
	}
	who, err := s.bodyIdentity(*request.adminKey)
	if err != nil {
		return nil, err
	}
	if err := s.mustBeAdmin(who, true); err != nil {
		return nil, err
	}
	return request, request.check()
}

// handleStartPush is POST /api/deploy2/start_push: the code is uploaded and the
// schemas are pending, nothing is active. A dry run makes no difference.
func (s *Server) handleStartPush(w http.ResponseWriter, r *http.Request) error {
	request, err := s.readPush(r)
	if err != nil {
		return err
	}
	now := time.Now()
	var answer startPushAnswer
	err = s.store.update(func(state *State) error {
		evaluated, err := evaluate(request, state)
		if err != nil {
			return err
		}
		for _, fault := range faultsOf(r) {
			state.beginBackfill(evaluated.change.SchemaIDs, fault.Fault, now)
		}
		answer = evaluated.answer(now)
		return nil
	})
	if err != nil {
		return whilePushing(err)
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// handleEvaluatePush is POST /api/deploy2/evaluate_push: start_push without its
// effects.
func (s *Server) handleEvaluatePush(w http.ResponseWriter, r *http.Request) error {
	request, err := s.readPush(r)
	if err != nil {
		return err
	}
	state := s.store.view()
	evaluated, err := evaluate(request, &state)
	if err != nil {
		return whilePushing(err)
	}
	writeJSON(w, http.StatusOK, map[string]any{"schemaChange": evaluated.change})
	return nil
}

// handleEvaluateSchema is POST /api/deploy2/evaluate_schema of newer backends.
// All tables are empty here, so that nothing takes time.
func (s *Server) handleEvaluateSchema(w http.ResponseWriter, r *http.Request) error {
	request, err := s.readPush(r)
	if err != nil {
		return err
	}
	before := s.store.view()
	after := before.clone()
	evaluated, err := evaluate(request, &after)
	if err != nil {
		return whilePushing(err)
	}
	writeJSON(w, http.StatusOK, evaluated.prediction(&before))
	return nil
}

// handleReport is POST /api/deploy2/report_push_completed, which only matters to
// those who look at traces.
func (s *Server) handleReport(w http.ResponseWriter, r *http.Request) error {
	var request struct {
		AdminKey *string            `json:"adminKey"`
		Spans    *[]json.RawMessage `json:"spans"`
	}
	if err := s.readPushJSON(r, &request); err != nil {
		return err
	}
	if request.AdminKey == nil || request.Spans == nil {
		return missingField(cmp.Or(map[bool]string{true: "adminKey"}[request.AdminKey == nil], "spans"))
	}
	who, err := s.bodyIdentity(*request.AdminKey)
	if err != nil {
		return err
	}
	if err := s.mustBeAdmin(who, true); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, nil)
	return nil
}

// readPushJSON is readJSON with what the push routes allow.
func (s *Server) readPushJSON(r *http.Request, v any) error {
	body, err := s.openPush(r)
	if err != nil {
		return err
	}
	return decodeJSON(r.Context(), body, v)
}

package convexsim

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
)

// finishRequest is what finish_push is sent: the whole answer of start_push comes
// back.
type finishRequest struct {
	AdminKey  *string `json:"adminKey"`
	DryRun    *bool   `json:"dryRun"`
	StartPush *struct {
		EnvironmentVariables map[string]string          `json:"environmentVariables"`
		Packages             map[string]sourcePackage   `json:"componentDefinitionPackages"`
		AppAuth              []bundle.AuthProvider      `json:"appAuth"`
		Analysis             map[string]json.RawMessage `json:"analysis"`
		App                  *checkedComponent          `json:"app"`
		SchemaChange         *json.RawMessage           `json:"schemaChange"`
	} `json:"startPush"`
}

func (f *finishRequest) complete() error {
	switch {
	case f.AdminKey == nil:
		return missingField("adminKey")
	case f.DryRun == nil:
		return missingField("dryRun")
	case f.StartPush == nil:
		return missingField("startPush")
	case f.StartPush.EnvironmentVariables == nil:
		return missingField("environmentVariables")
	case f.StartPush.Packages == nil:
		return missingField("componentDefinitionPackages")
	case f.StartPush.AppAuth == nil:
		return missingField("appAuth")
	case f.StartPush.Analysis == nil:
		return missingField("analysis")
	case f.StartPush.App == nil:
		return missingField("app")
	}
	return nil
}

// handleFinishPush is POST /api/deploy2/finish_push, the only request that makes
// a push active.
func (s *Server) handleFinishPush(w http.ResponseWriter, r *http.Request) error {
	var request finishRequest
	if err := s.readPushJSON(r, &request); err != nil {
		return err
	}
	if err := request.complete(); err != nil {
		return err
	}
	change, err := decodeSchemaChange(request.StartPush.SchemaChange)
	if err != nil {
		return err
	}
	who, err := s.bodyIdentity(*request.AdminKey)
	if err != nil {
		return err
	}
	if err := s.mustBeAdmin(who, true); err != nil {
		return err
	}
	answer := newFinishAnswer()
	if !*request.DryRun {
		err = s.store.update(func(state *State) error {
			if err := finish(state, &request, change, &answer); err != nil {
				return err
			}
			return s.recordPush(state, *request.AdminKey)
		})
	}
	if err != nil {
		return whilePushing(err)
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// finish activates a push and records in the answer what that changed.
func finish(state *State, request *finishRequest, change schemaChange, answer *finishAnswer) error {
	pushed := request.StartPush
	if !maps.Equal(state.Environment, pushed.EnvironmentVariables) {
		return badRequest("RaceDetected", "Environment variables have changed during push")
	}
	answer.AuthDiff = diffAuth(state.Auth, pushed.AppAuth)
	state.Auth = pushed.AppAuth

	definitions := map[string]Definition{}
	for _, definitionPath := range sortedKeys(pushed.Analysis) {
		code, ok := pushed.Packages[definitionPath]
		if !ok {
			return badRequest("MissingSourcePackage", "Missing source package for component")
		}
		stored, ok := state.packageByKey(code.StorageKey)
		if !ok {
			return internalError()
		}
		definitions[definitionPath] = Definition{stored.Modules, stored.UDFServerVersion}
		answer.DefinitionDiffs[definitionPath] = struct{}{}
		if definitionPath == "" {
			state.NodeVersion = stored.NodeVersion
		}
	}
	for definitionPath := range state.Definitions {
		answer.DefinitionDiffs[definitionPath] = struct{}{}
	}
	before := state.clone()
	state.Definitions = definitions
	state.Pushes++
	return state.applyTree(&before, pushed.App, change, answer)
}

// applyTree mounts, changes and unmounts components until they are as pushed.
func (s *State) applyTree(before *State, app *checkedComponent, change schemaChange, answer *finishAnswer) error {
	pushed := map[string]string{}
	app.collect(pushed)
	if s.Components == nil {
		s.Components = map[string]Component{}
	}
	for _, componentPath := range sortedKeys(pushed) {
		diff, err := s.applyComponent(before, componentPath, pushed[componentPath], change)
		if err != nil {
			return err
		}
		answer.ComponentDiffs[componentPath] = diff
	}
	for componentPath, component := range s.Components {
		if _, still := pushed[componentPath]; still || component.Unmounted {
			continue
		}
		component.Unmounted = true
		s.Components[componentPath] = component
		answer.ComponentDiffs[componentPath] = diffComponent("unmount", before.Definitions[component.Definition], Definition{}, nil, nil)
	}
	return nil
}

func (c *checkedComponent) collect(into map[string]string) {
	into[c.ComponentPath] = c.DefinitionPath
	for _, child := range c.ChildComponents {
		child.collect(into)
	}
}

func (s *State) applyComponent(before *State, componentPath, definitionPath string, change schemaChange) (componentDiff, error) {
	definition, ok := s.Definitions[definitionPath]
	if !ok {
		return componentDiff{}, internalError()
	}
	kind := "modify"
	component, exists := s.Components[componentPath]
	switch {
	case !exists:
		kind = "create"
		if component.ID, ok = change.AllocatedComponentIDs[componentPath]; !ok {
			return componentDiff{}, internalError()
		}
	case component.Unmounted:
		kind = "remount"
	}
	schemaID, ok := change.SchemaIDs[componentPath]
	if !ok {
		return componentDiff{}, internalError()
	}
	if err := s.activateSchema(componentPath, deref(schemaID)); err != nil {
		return componentDiff{}, err
	}
	old := before.Definitions[component.Definition]
	if !exists {
		old = Definition{}
	}
	component.Definition, component.Unmounted = definitionPath, false
	s.Components[componentPath] = component
	return diffComponent(kind, old, definition, before.activeTables(componentPath), s.activeTables(componentPath)), nil
}

package deploy2

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// FinishRequest is what finish_push is sent: the whole answer of start_push comes
// back.
type FinishRequest struct {
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

// Complete reports a field that the backend insists on.
func (f *FinishRequest) Complete() error {
	switch {
	case f.AdminKey == nil:
		return protocol.MissingField("adminKey")
	case f.DryRun == nil:
		return protocol.MissingField("dryRun")
	case f.StartPush == nil:
		return protocol.MissingField("startPush")
	case f.StartPush.EnvironmentVariables == nil:
		return protocol.MissingField("environmentVariables")
	case f.StartPush.Packages == nil:
		return protocol.MissingField("componentDefinitionPackages")
	case f.StartPush.AppAuth == nil:
		return protocol.MissingField("appAuth")
	case f.StartPush.Analysis == nil:
		return protocol.MissingField("analysis")
	case f.StartPush.App == nil:
		return protocol.MissingField("app")
	}
	return nil
}

// Finish activates a push and records in the answer what that changed.
func Finish(stored *state.State, request *FinishRequest, change SchemaChange, answer *FinishAnswer) error {
	pushed := request.StartPush
	if !maps.Equal(stored.Environment, pushed.EnvironmentVariables) {
		return protocol.BadRequest("RaceDetected", "Environment variables have changed during push")
	}
	if code, known := stored.PackageByKey(pushed.Packages[""].StorageKey); known {
		if err := state.CheckPushed(code.Modules, stored.Environment); err != nil {
			return err
		}
	}
	answer.AuthDiff = diffAuth(stored.Auth, pushed.AppAuth)
	stored.Auth = pushed.AppAuth

	definitions := map[string]state.Definition{}
	stored.Deployed = map[string]string{}
	for _, definitionPath := range slices.Sorted(maps.Keys(pushed.Analysis)) {
		named, ok := pushed.Packages[definitionPath]
		if !ok {
			return protocol.BadRequest("MissingSourcePackage", "Missing source package for component")
		}
		code, ok := stored.PackageByKey(named.StorageKey)
		if !ok {
			return protocol.InternalError()
		}
		definitions[definitionPath] = state.Definition{Modules: code.Modules, UDFServerVersion: code.UDFServerVersion}
		stored.Deployed[definitionPath] = code.Key
		answer.DefinitionDiffs[definitionPath] = struct{}{}
		if definitionPath == "" {
			stored.NodeVersion = code.NodeVersion
		}
	}
	for definitionPath := range stored.Definitions {
		answer.DefinitionDiffs[definitionPath] = struct{}{}
	}
	before := stored.Clone()
	stored.Definitions = definitions
	stored.Pushes++
	return applyTree(stored, &before, pushed.App, change, answer)
}

// applyTree mounts, changes and unmounts components until they are as pushed.
func applyTree(s, before *state.State, app *checkedComponent, change SchemaChange, answer *FinishAnswer) error {
	pushed := map[string]string{}
	app.collect(pushed)
	if s.Components == nil {
		s.Components = map[string]state.Component{}
	}
	for _, componentPath := range slices.Sorted(maps.Keys(pushed)) {
		diff, err := applyComponent(s, before, componentPath, pushed[componentPath], change)
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
		answer.ComponentDiffs[componentPath] = diffComponent("unmount", before.Definitions[component.Definition], state.Definition{}, nil, nil)
	}
	return nil
}

func (c *checkedComponent) collect(into map[string]string) {
	into[c.ComponentPath] = c.DefinitionPath
	for _, child := range c.ChildComponents {
		child.collect(into)
	}
}

func applyComponent(s, before *state.State, componentPath, definitionPath string, change SchemaChange) (componentDiff, error) {
	definition, ok := s.Definitions[definitionPath]
	if !ok {
		return componentDiff{}, protocol.InternalError()
	}
	kind := "modify"
	component, exists := s.Components[componentPath]
	switch {
	case !exists:
		kind = "create"
		if component.ID, ok = change.AllocatedComponentIDs[componentPath]; !ok {
			return componentDiff{}, protocol.InternalError()
		}
	case component.Unmounted:
		kind = "remount"
	}
	schemaID, ok := change.SchemaIDs[componentPath]
	if !ok {
		return componentDiff{}, protocol.InternalError()
	}
	if err := s.ActivateSchema(componentPath, deref(schemaID)); err != nil {
		return componentDiff{}, err
	}
	old := before.Definitions[component.Definition]
	if !exists {
		old = state.Definition{}
	}
	component.Definition, component.Unmounted = definitionPath, false
	s.Components[componentPath] = component
	return diffComponent(kind, old, definition, before.ActiveTables(componentPath), s.ActiveTables(componentPath)), nil
}

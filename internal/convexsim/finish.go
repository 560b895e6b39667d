package convexsim

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// finishRequest is what finish_push is sent: the whole answer of start_push comes
// back.
type finishRequest struct {
	AdminKey  *string `json:"adminKey"`
	DryRun    *bool   `json:"dryRun"`
	StartPush *struct {
		EnvironmentVariables map[string]string          `json:"environmentVariables"`
		Packages             map[string]sourcePackage   `json:"componentDefinitionPackages"`
		AppAuth              []AuthProvider             `json:"appAuth"`
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

// finishAnswer says what a push changed.
type finishAnswer struct {
	AuthDiff        addedRemoved             `json:"authDiff"`
	DefinitionDiffs map[string]struct{}      `json:"definitionDiffs"`
	ComponentDiffs  map[string]componentDiff `json:"componentDiffs"`
}

type addedRemoved struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

type componentDiff struct {
	DiffType      diffType       `json:"diffType"`
	ModuleDiff    addedRemoved   `json:"moduleDiff"`
	UDFConfigDiff *udfConfigDiff `json:"udfConfigDiff"`
	CronDiff      cronDiff       `json:"cronDiff"`
	IndexDiff     indexDiff      `json:"indexDiff"`
	SchemaDiff    *schemaDiff    `json:"schemaDiff"`
}

type diffType struct {
	Type string `json:"type"` // create, modify, unmount or remount
}

type udfConfigDiff struct {
	Previous string `json:"previous_version"`
	Next     string `json:"next_version"`
}

type cronDiff struct {
	Added   []string `json:"added"`
	Updated []string `json:"updated"`
	Deleted []string `json:"deleted"`
}

type schemaDiff struct {
	Previous *string `json:"previous_schema"`
	Next     *string `json:"next_schema"`
}

func newFinishAnswer() finishAnswer {
	return finishAnswer{addedRemoved{[]string{}, []string{}}, map[string]struct{}{}, map[string]componentDiff{}}
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

func diffComponent(kind string, before, after Definition, tablesBefore, tablesAfter []Table) componentDiff {
	diff := componentDiff{
		DiffType:   diffType{kind},
		ModuleDiff: diffModules(before.Modules, after.Modules),
		CronDiff:   cronDiff{[]string{}, []string{}, []string{}},
		IndexDiff:  diffIndexes(tablesBefore, tablesAfter),
	}
	if before.UDFServerVersion != "" && before.UDFServerVersion != after.UDFServerVersion {
		diff.UDFConfigDiff = &udfConfigDiff{before.UDFServerVersion, after.UDFServerVersion}
	}
	if previous, next := schemaText(tablesBefore), schemaText(tablesAfter); cmp.Compare(deref(previous), deref(next)) != 0 {
		diff.SchemaDiff = &schemaDiff{previous, next}
	}
	return diff
}

func schemaText(tables []Table) *string {
	if tables == nil {
		return nil
	}
	text, err := json.Marshal(tables)
	if err != nil {
		return nil
	}
	return orNull(string(text))
}

// diffModules lists the modules that are new and those that are gone; changed
// ones are neither, and bundled dependencies do not count.
func diffModules(before, after map[string]Module) addedRemoved {
	diff := addedRemoved{[]string{}, []string{}}
	for _, modulePath := range sortedKeys(after) {
		if _, existed := before[modulePath]; !existed && !isDependency(modulePath) {
			diff.Added = append(diff.Added, modulePath)
		}
	}
	for _, modulePath := range sortedKeys(before) {
		if _, exists := after[modulePath]; !exists && !isDependency(modulePath) {
			diff.Removed = append(diff.Removed, modulePath)
		}
	}
	return diff
}

func diffAuth(before, after []AuthProvider) addedRemoved {
	diff := addedRemoved{[]string{}, []string{}}
	for _, provider := range after {
		if !slices.Contains(before, provider) {
			diff.Added = append(diff.Added, provider.text())
		}
	}
	for _, provider := range before {
		if !slices.Contains(after, provider) {
			diff.Removed = append(diff.Removed, provider.text())
		}
	}
	return diff
}

func (p AuthProvider) text() string {
	text, err := json.Marshal(p)
	if err != nil {
		return p.Domain
	}
	return string(text)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := slices.Sorted(maps.Keys(m))
	return notNil(keys)
}

package deploy2

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// Evaluation is the outcome of evaluate_push and start_push: a push that could
// be finished, on a state that may or may not be kept.
type Evaluation struct {
	request  *Request
	tree     *componentTree
	state    *state.State
	packages map[string]state.Package // by definition path
	change   SchemaChange
}

// Evaluate checks a push against the state and changes the state as start_push
// does: uploaded packages and pending schemas, but nothing that is active.
func Evaluate(request *Request, stored *state.State) (*Evaluation, error) {
	e := &Evaluation{request: request, state: stored, packages: map[string]state.Package{}}
	if err := e.upload(); err != nil {
		return nil, err
	}
	if module, ok := e.packages[""].Modules[bundle.AuthModule]; ok {
		if err := state.CheckAuth(module, stored.Environment); err != nil {
			return nil, err
		}
	}
	var err error
	if e.tree, err = treeOf(request); err != nil {
		return nil, err
	}
	e.submitSchemas()
	return e, nil
}

// upload makes a package of each definition.
func (e *Evaluation) upload() error {
	for _, d := range e.request.definitions() {
		modules, err := e.modulesOf(d)
		if err != nil {
			return err
		}
		e.packages[d.path], err = e.state.AddPackage(state.Package{
			Definition: d.path, Modules: modules,
			NodeVersion: deref(e.request.nodeVersion), UDFServerVersion: deref(d.udfServerVersion),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// modulesOf returns all modules of a definition, with those that the client says are
// unchanged taken from the active code.
func (e *Evaluation) modulesOf(d definition) (map[string]state.Module, error) {
	modules := map[string]state.Module{}
	functions := len(d.modules) + len(d.unchanged)
	for _, module := range d.all() {
		if state.IsDependency(module.Path) {
			functions--
		}
		modules[state.Canonical(module.Path)] = module.Module
	}
	if len(d.unchanged) > 0 {
		if err := e.state.CheckDeployed(""); err != nil {
			return nil, err
		}
	}
	for _, hash := range d.unchanged {
		module, err := existing(e.state, hash)
		if err != nil {
			return nil, err
		}
		if state.IsDependency(hash.Path) {
			functions--
		}
		modules[state.Canonical(hash.Path)] = module
	}
	if functions > MaxUserModules {
		return nil, protocol.BadRequest("InvalidModules", "Too many function files (%d > maximum %d) in \"convex/\". See our docs "+
			"(https://docs.convex.dev/using/writing-convex-functions#using-libraries) for more details.", functions, MaxUserModules)
	}
	if len(modules) != len(d.all())+len(d.unchanged) {
		return nil, protocol.BadRequest("CanonicalizationConflict", "Multiple modules canonicalize to the same name.")
	}
	return modules, nil
}

// existing finds an unchanged module in the active code of the app. A backend to
// which nothing was pushed yet fails without a code, because it has no package
// that it could look into.
func existing(stored *state.State, hash moduleHash) (state.Module, error) {
	active, pushed := stored.Definitions[""]
	if !pushed {
		return state.Module{}, protocol.InternalError()
	}
	module, ok := active.Modules[state.Canonical(hash.Path)]
	switch {
	case !ok:
		return state.Module{}, protocol.Conflict("MissingExistingModule", "Could not find existing unchanged module.")
	case !strings.EqualFold(module.SHA256, hash.SHA256):
		return state.Module{}, protocol.Conflict("ExistingModuleHashConflict", "Existing module hash does not match.")
	case module.Environment != environmentOf(hash.Environment, hash.Path):
		return state.Module{}, protocol.Conflict("ExistingModuleEnvConflict", "Existing module environment does not match.")
	}
	return module, nil
}

// submitSchemas makes the schema of each component the pending one, and gives new
// components their ids.
func (e *Evaluation) submitSchemas() {
	e.change = SchemaChange{
		AllocatedComponentIDs: map[string]string{}, SchemaIDs: map[string]*string{}, IndexDiffs: map[string]bundle.IndexDiff{},
	}
	e.tree.walk(func(componentPath, definitionPath string) {
		if _, exists := e.state.Components[componentPath]; !exists {
			e.change.AllocatedComponentIDs[componentPath] = e.state.NewID("component")
		}
		e.change.SchemaIDs[componentPath] = nil
		schema := e.tree.definitions[definitionPath].schema
		if schema == nil {
			return
		}
		before := e.state.ActiveTables(componentPath)
		id := e.state.SubmitSchema(componentPath, schema.source)
		e.change.SchemaIDs[componentPath] = &id
		e.change.IndexDiffs[componentPath] = bundle.DiffIndexes(before, e.state.SchemaByID(id).Tables)
	})
}

// Change returns what the push does to the schemas.
func (e *Evaluation) Change() SchemaChange { return e.change }

// Answer returns the answer of start_push.
func (e *Evaluation) Answer(now time.Time) StartPushAnswer {
	answer := StartPushAnswer{
		EnvironmentVariables:        notNilMap(e.state.Environment),
		ComponentDefinitionPackages: map[string]sourcePackage{},
		AppAuth:                     bundle.EvaluateProviders(e.packages[""].Modules[bundle.AuthModule].Providers, e.state.Environment),
		Analysis:                    map[string]evaluatedDefinition{},
		App:                         e.component("", ""),
		SchemaChange:                e.change,
	}
	if len(e.request.nodeDependencies) > 0 {
		id := fmt.Sprintf("external%x", sha256.Sum256(fmt.Append(nil, e.request.nodeDependencies)))[:32]
		answer.ExternalDepsID = &id
	}
	for definitionPath, code := range e.packages {
		nodeVersion := e.request.nodeVersion
		if definitionPath != "" {
			nodeVersion = nil
		}
		answer.ComponentDefinitionPackages[definitionPath] = packageAnswer(code, nodeVersion)
		answer.Analysis[definitionPath] = e.definition(definitionPath, now)
	}
	return answer
}

func (e *Evaluation) definition(definitionPath string, now time.Time) evaluatedDefinition {
	pushed := e.tree.definitions[definitionPath]
	metadata := definitionMetadata{
		Path: definitionPath, DefinitionType: definitionType{Type: "app"}, ChildComponents: []instantiation{},
		HTTPMounts: map[string]string{}, Exports: exportBranch{"branch", []any{}},
	}
	if definitionPath != "" {
		metadata.DefinitionType = definitionType{Type: "childComponent", Name: componentName(pushed), Args: &[]any{}}
	}
	for _, use := range e.tree.uses[definitionPath] {
		metadata.ChildComponents = append(metadata.ChildComponents, instantiation{use.name, use.path, []any{}})
	}
	evaluated := evaluatedDefinition{
		Definition: metadata, Functions: map[string]analyzedModule{}, UDFConfig: udfConfigAnswer(deref(pushed.udfServerVersion), now),
	}
	if pushed.schema != nil {
		evaluated.Schema = schemaAnswer(bundle.Tables(pushed.schema.source))
	}
	for modulePath := range e.packages[definitionPath].Modules {
		if !state.IsDependency(modulePath) {
			evaluated.Functions[modulePath] = analyzedModule{Functions: []any{}}
		}
	}
	return evaluated
}

func (e *Evaluation) component(componentPath, definitionPath string) *checkedComponent {
	checked := &checkedComponent{
		DefinitionPath: definitionPath, ComponentPath: componentPath, Args: map[string]any{},
		ChildComponents: map[string]*checkedComponent{}, HTTPRoutes: checkedHTTPRoutes{Mounts: []string{}}, Exports: map[string]any{},
	}
	if _, ok := e.packages[definitionPath].Modules[state.HTTPModule]; ok {
		checked.HTTPRoutes.HTTPModuleRoutes = []any{}
	}
	for _, use := range e.tree.uses[definitionPath] {
		checked.ChildComponents[use.name] = e.component(childPath(componentPath, use.name), use.path)
	}
	return checked
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func notNilMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return m
}

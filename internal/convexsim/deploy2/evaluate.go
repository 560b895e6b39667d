package convexsim

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
)

// evaluation is the outcome of evaluate_push and start_push: a push that could
// be finished, on a state that may or may not be kept.
type evaluation struct {
	request  *pushRequest
	tree     *componentTree
	state    *State
	packages map[string]Package // by definition path
	change   schemaChange
}

// evaluate checks a push against the state and changes the state as start_push
// does: uploaded packages and pending schemas, but nothing that is active.
func evaluate(request *pushRequest, state *State) (*evaluation, error) {
	e := &evaluation{request: request, state: state, packages: map[string]Package{}}
	if err := e.upload(); err != nil {
		return nil, err
	}
	if module, ok := e.packages[""].Modules[bundle.AuthModule]; ok {
		if err := checkAuth(module, state.Environment); err != nil {
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
func (e *evaluation) upload() error {
	for _, definition := range append([]pushedDefinition{*e.request.app}, e.request.components...) {
		modules, err := e.modulesOf(definition)
		if err != nil {
			return err
		}
		e.packages[definition.path] = e.state.addPackage(Package{
			Definition: definition.path, Modules: modules,
			NodeVersion: deref(e.request.nodeVersion), UDFServerVersion: definition.version(),
		})
	}
	return nil
}

// modulesOf are all modules of a definition, with those that the client says are
// unchanged taken from the active code.
func (e *evaluation) modulesOf(d pushedDefinition) (map[string]Module, error) {
	modules := map[string]Module{}
	functions := len(d.modules) + len(d.unchanged)
	for _, module := range d.all() {
		if isDependency(module.Path) {
			functions--
		}
		modules[canonical(module.Path)] = module.Module
	}
	for _, hash := range d.unchanged {
		module, err := e.state.existing(hash)
		if err != nil {
			return nil, err
		}
		if isDependency(hash.Path) {
			functions--
		}
		modules[canonical(hash.Path)] = module
	}
	if functions > maxUserModules {
		return nil, badRequest("InvalidModules", "Too many function files (%d > maximum %d) in \"convex/\". See our docs "+
			"(https://docs.convex.dev/using/writing-convex-functions#using-libraries) for more details.", functions, maxUserModules)
	}
	if len(modules) != len(d.all())+len(d.unchanged) {
		return nil, badRequest("CanonicalizationConflict", "Multiple modules canonicalize to the same name.")
	}
	return modules, nil
}

// existing finds an unchanged module in the active code of the app. A backend to
// which nothing was pushed yet fails without a code, because it has no package
// that it could look into.
func (s *State) existing(hash moduleHash) (Module, error) {
	active, pushed := s.Definitions[""]
	if !pushed {
		return Module{}, internalError()
	}
	module, ok := active.Modules[canonical(hash.Path)]
	switch {
	case !ok:
		return Module{}, conflict("MissingExistingModule", "Could not find existing unchanged module.")
	case !strings.EqualFold(module.SHA256, hash.SHA256):
		return Module{}, conflict("ExistingModuleHashConflict", "Existing module hash does not match.")
	case module.Environment != environmentOf(hash.Environment, hash.Path):
		return Module{}, conflict("ExistingModuleEnvConflict", "Existing module environment does not match.")
	}
	return module, nil
}

// submitSchemas makes the schema of each component the pending one, and gives new
// components their ids.
func (e *evaluation) submitSchemas() {
	e.change = schemaChange{
		AllocatedComponentIDs: map[string]string{}, SchemaIDs: map[string]*string{}, IndexDiffs: map[string]bundle.IndexDiff{},
	}
	e.tree.walk(func(componentPath, definitionPath string) {
		if _, exists := e.state.Components[componentPath]; !exists {
			e.change.AllocatedComponentIDs[componentPath] = e.state.newID("component")
		}
		e.change.SchemaIDs[componentPath] = nil
		schema := e.tree.definitions[definitionPath].schema
		if schema == nil {
			return
		}
		before := e.state.activeTables(componentPath)
		id := e.state.submitSchema(componentPath, schema)
		e.change.SchemaIDs[componentPath] = &id
		e.change.IndexDiffs[componentPath] = bundle.DiffIndexes(before, e.state.Schemas[e.state.schemaByID(id)].Tables)
	})
}

func (s *State) activeTables(componentPath string) []bundle.Table {
	if i := s.findSchema(componentPath, SchemaActive); i >= 0 {
		return s.Schemas[i].Tables
	}
	return nil
}

// answer is the answer of start_push.
func (e *evaluation) answer(now time.Time) startPushAnswer {
	answer := startPushAnswer{
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

func (e *evaluation) definition(definitionPath string, now time.Time) evaluatedDefinition {
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
		Definition: metadata, Functions: map[string]analyzedModule{}, UDFConfig: udfConfigAnswer(pushed.version(), now),
	}
	if pushed.schema != nil {
		evaluated.Schema = schemaAnswer(bundle.Tables(pushed.schema.source))
	}
	for modulePath := range e.packages[definitionPath].Modules {
		if !isDependency(modulePath) {
			evaluated.Functions[modulePath] = analyzedModule{Functions: []any{}}
		}
	}
	return evaluated
}

func (e *evaluation) component(componentPath, definitionPath string) *checkedComponent {
	checked := &checkedComponent{
		DefinitionPath: definitionPath, ComponentPath: componentPath, Args: map[string]any{},
		ChildComponents: map[string]*checkedComponent{}, HTTPRoutes: checkedHTTPRoutes{Mounts: []string{}}, Exports: map[string]any{},
	}
	if _, ok := e.packages[definitionPath].Modules[httpModule]; ok {
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

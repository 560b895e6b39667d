package deploy2

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// instance is a use of a component by its parent.
type instance struct {
	name string
	path string // definition path
}

var (
	importFrom      = regexp.MustCompile(`\bimport\s+([\w$]+)\s+from\s*"[^"]*$`)
	firstIdentifier = regexp.MustCompile(`^\s*([\w$]+)`)
	nameOption      = regexp.MustCompile(`\bname\s*:\s*"([^"]+)"`)
)

const (
	componentFolder = "_componentDeps/"
	useCall         = ".use("
)

// usesOf lists the components that a definition uses. The bundler replaces the
// import of each by one whose file name is the definition path in base64.
func usesOf(d definition, defaultName func(path string) string) []instance {
	if d.config == nil {
		return nil
	}
	source := d.config.source
	imported := importedComponents(source)
	var uses []instance
	for at := range bundle.Occurrences(source, useCall) {
		open := at + len(useCall) - 1
		end := bundle.Closing(source, open)
		if end < 0 {
			continue
		}
		arguments := source[open+1 : end-1]
		if used, ok := imported[bundle.First(firstIdentifier, arguments)]; ok {
			uses = append(uses, instance{cmp.Or(bundle.First(nameOption, arguments), defaultName(used)), used})
		}
	}
	return append(uses, unread(d, uses, defaultName)...)
}

// importedComponents maps the names of imported components to definition paths.
func importedComponents(source string) map[string]string {
	imported := map[string]string{}
	for at := range bundle.Occurrences(source, componentFolder) {
		encoded, _, _ := strings.Cut(source[at+len(componentFolder):], `"`)
		decoded, err := base64.RawURLEncoding.DecodeString(strings.TrimSuffix(encoded, ".js"))
		if err == nil {
			imported[bundle.First(importFrom, source[max(0, at-200):at])] = string(decoded)
		}
	}
	return imported
}

// unread returns the dependencies whose use could not be read from the text.
func unread(d definition, uses []instance, defaultName func(string) string) []instance {
	var missing []instance
	for _, dependency := range d.dependencies {
		if !slices.ContainsFunc(uses, func(i instance) bool { return i.path == dependency }) {
			missing = append(missing, instance{defaultName(dependency), dependency})
		}
	}
	return missing
}

// componentName returns the name that a component gives itself.
func componentName(d definition) string {
	if d.config == nil {
		return path.Base(d.path)
	}
	source := d.config.source
	for _, call := range bundle.CallsOf(source, bundle.LocalNames(source, "defineComponent")) {
		if name := bundle.First(bundle.StringArg, source[call[1]+1:]); name != "" {
			return name
		}
	}
	return path.Base(d.path)
}

// componentTree is the tree of components of a push, flat: component paths in
// their order, parents first.
type componentTree struct {
	definitions map[string]definition
	uses        map[string][]instance // by definition path
}

func treeOf(request *Request) (*componentTree, error) {
	tree := &componentTree{definitions: map[string]definition{"": *request.app}, uses: map[string][]instance{}}
	for _, component := range request.components {
		tree.definitions[component.path] = component
	}
	for definitionPath, defined := range tree.definitions {
		uses := usesOf(defined, func(used string) string { return componentName(tree.definitions[used]) })
		for _, use := range uses {
			if _, ok := tree.definitions[use.path]; !ok {
				return nil, protocol.BadRequest("InvalidConvexConfig", "%s uses the component %s, which was not pushed", cmp.Or(definitionPath, "the app"), use.path)
			}
		}
		tree.uses[definitionPath] = uses
	}
	return tree, tree.checkCycles("", nil)
}

func (t *componentTree) checkCycles(definitionPath string, above []string) error {
	if slices.Contains(above, definitionPath) {
		return protocol.BadRequest("CyclicImport", "Component definitions import each other: %s", strings.Join(append(above, definitionPath), " -> "))
	}
	for _, use := range t.uses[definitionPath] {
		if err := t.checkCycles(use.path, append(slices.Clone(above), definitionPath)); err != nil {
			return err
		}
	}
	return nil
}

// walk visits every instance, parents before children.
func (t *componentTree) walk(visit func(componentPath, definitionPath string)) {
	t.walkFrom("", "", visit)
}

func (t *componentTree) walkFrom(componentPath, definitionPath string, visit func(string, string)) {
	visit(componentPath, definitionPath)
	for _, use := range t.uses[definitionPath] {
		t.walkFrom(childPath(componentPath, use.name), use.path, visit)
	}
}

func childPath(parent, name string) string {
	if parent == "" {
		return name
	}
	return fmt.Sprintf("%s/%s", parent, name)
}

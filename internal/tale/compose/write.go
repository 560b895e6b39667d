package compose

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

const header = "# Written by tale, anew at each deploy: changes belong into compose.override.yml.\n"

// Write puts the file of a compose project below .tale and returns its path. The images,
// by service, take the place of those of the model. Nothing is left in the file that the
// plugin would replace, pull or look for.
func (m *Model) Write(project string, images map[string]string) (path string, err error) {
	file, ok := m.files[project]
	if !ok {
		return "", fmt.Errorf("cannot write the compose file of %s: the stack has no such compose project", project)
	}
	pinned := *file
	pinned.Services = types.Services{}
	for _, service := range m.services {
		if service.Project != project {
			continue
		}
		name := inFile(service)
		made := file.Services[name]
		if image := images[service.Name]; image != "" {
			made.Image = image
		}
		pinned.Services[name] = made
	}
	text, err := text(&pinned)
	if err != nil {
		return "", fmt.Errorf("cannot write the compose file of %s: %w", project, err)
	}
	name := []string{"compose", project + ".yml"}
	return m.project.Path(name...), m.project.Write(append([]byte(header), text...), name...)
}

// text returns a project as a compose file that has nothing to replace in it.
func text(file *types.Project) ([]byte, error) {
	plain, err := file.MarshalYAML()
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(plain, &document); err != nil {
		return nil, err
	}
	escape(&document)
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err = encoder.Encode(&document)
	return text.Bytes(), err
}

// escape doubles the dollar signs of all values; keys are taken as they are.
func escape(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode {
		node.Value = strings.ReplaceAll(node.Value, "$", "$$")
	}
	for i, child := range node.Content {
		if isKey := node.Kind == yaml.MappingNode && i%2 == 0; !isKey {
			escape(child)
		}
	}
}

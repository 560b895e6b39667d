package compose

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

const header = "# Written by tale, anew at each deploy: changes belong into compose.override.yml.\n"

// Pin is what a container is of, in the place of what the model says.
type Pin struct {
	Image   string // reference or id
	Version string // of the release that the image is of
}

// Write puts the file of a compose project below .tale and returns its path, with pins by
// service. Nothing is left in the file that the plugin would replace, pull or look for.
func (m *Model) Write(project string, pins map[string]Pin) (path string, err error) {
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
		name := stack.Coloured(service.Name, service.Colour)
		made := file.Services[name]
		if pin, ok := pins[service.Name]; ok {
			made = m.pinned(made, pin)
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

// Says reports whether a file that Write has made says what a container was made of.
func Says(file []byte, c engine.Container) bool {
	var document struct {
		Services map[string]struct {
			Image  string
			Labels map[string]string
		}
	}
	if yaml.Unmarshal(file, &document) != nil {
		return false
	}
	made, there := document.Services[c.Service]
	return there && made.Image == c.Image && made.Labels[engine.LabelHash] == c.Hash
}

// pinned returns a container of another image. What stays at its version is not told that
// it is of the release: convex refuses to be of an older one than it was.
func (m *Model) pinned(made types.ServiceConfig, pin Pin) types.ServiceConfig {
	made.Image = cmp.Or(pin.Image, made.Image)
	if _, labelled := made.Labels[engine.LabelVersion]; labelled && pin.Version != "" {
		made.Labels = maps.Clone(made.Labels)
		made.Labels[engine.LabelVersion] = pin.Version
	}
	if release := made.Environment[stack.Version]; release != nil && pin.Version != "" {
		made.Environment = maps.Clone(made.Environment)
		made.Environment[stack.Version] = &pin.Version
	}
	return made
}

// text returns a project as a compose file that has nothing to replace in it.
func text(file *types.Project) ([]byte, error) {
	plain, err := file.MarshalJSON()
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	err = encoder.Encode(node(document))
	return text.Bytes(), err
}

// plainText is what YAML's encoder writes as it is. What it would write in blocks does
// not always come back: they lose blanks behind leading line breaks.
var plainText = regexp.MustCompile(`^[!-~]([ -~]*[!-~])?$`)

// node returns a value as YAML. Dollar signs are doubled in values; keys are taken as
// they are.
func node(value any) *yaml.Node {
	switch value := value.(type) {
	case map[string]any:
		forOldPlugins(value)
		keepNames(value)
		mapping := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if value[key] != nil {
				mapping.Content = append(mapping.Content, scalar(key), node(value[key]))
			}
		}
		return mapping
	case []any:
		sequence := &yaml.Node{Kind: yaml.SequenceNode}
		for _, element := range value {
			sequence.Content = append(sequence.Content, node(element))
		}
		return sequence
	case string:
		return scalar(strings.ReplaceAll(value, "$", "$$"))
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(value)} // a number, true or false
	}
}

// forOldPlugins writes out what the oldest plugins that are taken would misread: 2.20, with
// compose-go 1.16.
func forOldPlugins(element map[string]any) {
	if hosts, ok := element["extra_hosts"].([]any); ok {
		for i, host := range hosts {
			hosts[i] = strings.Replace(fmt.Sprint(host), "=", ":", 1)
		}
	}
	if bind, ok := element["bind"].(map[string]any); ok && element["type"] == types.VolumeTypeBind && bind["create_host_path"] == nil {
		bind["create_host_path"] = true
	}
	if ipam, ok := element["ipam"].(map[string]any); ok && len(ipam) == 0 {
		delete(element, "ipam") // a network that is there already has its own
	}
}

// keepNames writes what an operator names as a list where one of the names begins as
// compose's own extensions do, which it takes out of mappings.
func keepNames(element map[string]any) {
	for _, key := range []string{"environment", "labels", "annotations"} {
		values, _ := element[key].(map[string]any)
		if !slices.ContainsFunc(slices.Collect(maps.Keys(values)), func(name string) bool { return strings.HasPrefix(name, "x-") }) {
			continue
		}
		var list []any
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if values[name] != nil {
				list = append(list, fmt.Sprintf("%s=%v", name, values[name]))
			}
		}
		element[key] = list
	}
}

func scalar(text string) *yaml.Node {
	scalar := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if !plainText.MatchString(text) {
		scalar.Style = yaml.DoubleQuotedStyle
	}
	return scalar
}

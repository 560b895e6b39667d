package convexsim

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/Masterminds/semver/v3"
)

// pushRequest is what start_push and evaluate_push are sent.
type pushRequest struct {
	adminKey         *string
	functions        *string
	nodeVersion      *string
	nodeDependencies []nodeDependency
	app              *pushedDefinition
	components       []pushedDefinition
	hasComponents    bool
	hasDependencies  bool
}

type nodeDependency struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// pushedDefinition is the app or a component definition of a push.
type pushedDefinition struct {
	path             string // empty for the app
	definition       *pushedModule
	schema           *pushedModule
	modules          []pushedModule
	unchanged        []moduleHash
	dependencies     []string
	udfServerVersion *string
}

// decodePush reads a push request in one pass.
func decodePush(ctx context.Context, body io.Reader) (*pushRequest, error) {
	decoder := json.NewDecoder(body)
	request := &pushRequest{}
	err := walkObject(decoder, func(key string) error { return request.field(decoder, key) })
	if err == nil {
		_, err = decoder.Token()
		if err == io.EOF { //nolint:errorlint // Token returns it bare, and it is the good end
			return request, request.complete()
		}
		if err == nil {
			err = fmt.Errorf("trailing characters at byte %d", decoder.InputOffset())
		}
	}
	return nil, bodyFailure(ctx, err)
}

func (p *pushRequest) field(decoder *json.Decoder, key string) error {
	switch key {
	case "adminKey":
		return decoder.Decode(&p.adminKey)
	case "functions":
		return decoder.Decode(&p.functions)
	case "nodeVersion":
		return decoder.Decode(&p.nodeVersion)
	case "nodeDependencies":
		p.hasDependencies = true
		return decoder.Decode(&p.nodeDependencies)
	case "appDefinition":
		p.app = &pushedDefinition{}
		return p.app.decode(decoder)
	case "componentDefinitions":
		p.hasComponents = true
		return walkArray(decoder, func() error {
			var component pushedDefinition
			err := component.decode(decoder)
			p.components = append(p.components, component)
			return err
		})
	default:
		return skipValue(decoder)
	}
}

func (d *pushedDefinition) decode(decoder *json.Decoder) error {
	return walkObject(decoder, func(key string) (err error) {
		switch key {
		case "definitionPath":
			return decoder.Decode(&d.path)
		case "definition":
			d.definition, err = decodeKept(decoder)
			return err
		case "schema":
			d.schema, err = decodeKept(decoder)
			return err
		case "dependencies":
			return decoder.Decode(&d.dependencies)
		case "changedModules", "functions":
			return walkArray(decoder, func() error { return d.decodeModule(decoder) })
		case "unchangedModuleHashes":
			return decoder.Decode(&d.unchanged)
		case "udfServerVersion":
			return decoder.Decode(&d.udfServerVersion)
		default:
			return skipValue(decoder)
		}
	})
}

func (d *pushedDefinition) decodeModule(decoder *json.Decoder) error {
	var module moduleJSON
	if err := decoder.Decode(&module); err != nil {
		return err
	}
	if module.Source == nil {
		return missingField("source")
	}
	d.modules = append(d.modules, module.digest())
	return nil
}

// decodeKept reads a module or null, and keeps the module's source.
func decodeKept(decoder *json.Decoder) (*pushedModule, error) {
	var module *moduleJSON
	if err := decoder.Decode(&module); err != nil || module == nil {
		return nil, err
	}
	if module.Source == nil {
		return nil, missingField("source")
	}
	kept := module.digest()
	kept.source = *module.Source
	return &kept, nil
}

// complete reports a field that the backend insists on.
func (p *pushRequest) complete() error {
	switch {
	case p.adminKey == nil:
		return missingField("adminKey")
	case p.functions == nil:
		return missingField("functions")
	case p.app == nil:
		return missingField("appDefinition")
	case p.app.udfServerVersion == nil:
		return missingField("udfServerVersion")
	case !p.hasComponents:
		return missingField("componentDefinitions")
	case !p.hasDependencies:
		return missingField("nodeDependencies")
	}
	return nil
}

// check turns the request into a project, as the backend says: everything wrong
// with it here is InvalidConfig, whatever more telling code the reason has.
func (p *pushRequest) check() error {
	definitions := append([]pushedDefinition{*p.app}, p.components...)
	for _, definition := range definitions {
		if err := definition.check(); err != nil {
			return badRequest("InvalidConfig", "%v", err)
		}
	}
	if p.nodeVersion != nil && !slices.Contains([]string{"18", "20", "22", "24"}, *p.nodeVersion) {
		return badRequest("InvalidConfig", "Invalid node version: %s", *p.nodeVersion)
	}
	return nil
}

func (d pushedDefinition) check() error {
	for _, module := range d.all() {
		if err := module.check(); err != nil {
			return err
		}
		if d.path != "" && module.Environment == "node" {
			return fmt.Errorf("Node actions are not supported in components. Remove `\"use node;\" from %s", module.Path) //nolint:staticcheck // sent as it is
		}
	}
	for _, hash := range d.unchanged {
		if sum, err := hex.DecodeString(hash.SHA256); err != nil || len(sum) != 32 {
			return fmt.Errorf("Invalid hex in sha256") //nolint:staticcheck // sent as it is
		}
		if err := checkModulePath(hash.Path); err != nil {
			return err
		}
	}
	if d.udfServerVersion != nil {
		if _, err := semver.StrictNewVersion(*d.udfServerVersion); err != nil {
			return fmt.Errorf("udfServerVersion %q: %w", *d.udfServerVersion, err)
		}
	}
	return nil
}

// all is every module of a definition, those that are not run included.
func (d pushedDefinition) all() []pushedModule {
	all := slices.Clone(d.modules)
	for _, module := range []*pushedModule{d.schema, d.definition} {
		if module != nil {
			all = append(all, *module)
		}
	}
	return all
}

func (d pushedDefinition) version() string {
	if d.udfServerVersion == nil {
		return ""
	}
	return *d.udfServerVersion
}

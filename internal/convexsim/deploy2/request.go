package convexsim

import (
	"context"
	"encoding/hex"
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
	scanner := newJSONScanner(body)
	request := &pushRequest{}
	err := scanner.object(func(key string) error { return request.field(scanner, key) })
	if err == nil {
		err = scanner.end()
	}
	if err != nil {
		return nil, bodyFailure(ctx, err)
	}
	return request, request.complete()
}

func (p *pushRequest) field(scanner *jsonScanner, key string) error {
	switch key {
	case "adminKey":
		return scanner.decode(&p.adminKey)
	case "functions":
		return scanner.decode(&p.functions)
	case "nodeVersion":
		return scanner.decode(&p.nodeVersion)
	case "nodeDependencies":
		p.hasDependencies = true
		return scanner.decode(&p.nodeDependencies)
	case "appDefinition":
		p.app = &pushedDefinition{}
		return p.app.decode(scanner)
	case "componentDefinitions":
		p.hasComponents = true
		return scanner.array(func() error {
			var component pushedDefinition
			err := component.decode(scanner)
			p.components = append(p.components, component)
			return err
		})
	default:
		return scanner.skip()
	}
}

func (d *pushedDefinition) decode(scanner *jsonScanner) error {
	return scanner.object(func(key string) (err error) {
		switch key {
		case "definitionPath":
			return scanner.decode(&d.path)
		case "definition":
			d.definition, err = decodeKept(scanner)
			return err
		case "schema":
			d.schema, err = decodeKept(scanner)
			return err
		case "dependencies":
			return scanner.decode(&d.dependencies)
		case "changedModules", "functions":
			return scanner.array(func() error { return d.decodeModule(scanner) })
		case "unchangedModuleHashes":
			return scanner.decode(&d.unchanged)
		case "udfServerVersion":
			return scanner.decode(&d.udfServerVersion)
		default:
			return scanner.skip()
		}
	})
}

func (d *pushedDefinition) decodeModule(scanner *jsonScanner) error {
	module, err := decodeModule(scanner)
	if err != nil {
		return err
	}
	d.modules = append(d.modules, module.digest())
	return nil
}

// decodeKept reads a module or null, and keeps the module's source.
func decodeKept(scanner *jsonScanner) (*pushedModule, error) {
	if isNull, err := scanner.null(); isNull || err != nil {
		return nil, err
	}
	module, err := decodeModule(scanner)
	if err != nil {
		return nil, err
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

package deploy2

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/Masterminds/semver/v3"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
)

// Request is what start_push and evaluate_push are sent.
type Request struct {
	adminKey         *string
	functions        *string
	nodeVersion      *string
	nodeDependencies []nodeDependency
	app              *definition
	components       []definition
	hasComponents    bool
	hasDependencies  bool
}

type nodeDependency struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// definition is the app or a component definition of a push.
type definition struct {
	path             string // empty for the app
	config           *pushedModule
	schema           *pushedModule
	modules          []pushedModule
	unchanged        []moduleHash
	dependencies     []string
	udfServerVersion *string
}

// Decode reads a push request in one pass. Sources are dropped unless keepSources is
// set.
func Decode(ctx context.Context, body io.Reader, keepSources bool) (*Request, error) {
	reader := newReader(body)
	reader.keepSources = keepSources
	request := &Request{}
	err := reader.object(func(key string) error { return request.field(reader, key) })
	if err == nil {
		err = reader.End()
	}
	if malformed := (*jsonscan.SyntaxError)(nil); errors.As(err, &malformed) {
		return nil, protocol.ParseFailure(err)
	}
	if err != nil {
		return nil, protocol.BodyFailure(ctx, err)
	}
	return request, request.complete()
}

func (p *Request) field(body *reader, key string) error {
	switch key {
	case "adminKey":
		return body.decode(&p.adminKey)
	case "functions":
		return body.decode(&p.functions)
	case "nodeVersion":
		return body.decode(&p.nodeVersion)
	case "nodeDependencies":
		p.hasDependencies = true
		return body.decode(&p.nodeDependencies)
	case "appDefinition":
		p.app = &definition{}
		return p.app.decode(body)
	case "componentDefinitions":
		p.hasComponents = true
		return body.array(func() error {
			var component definition
			err := component.decode(body)
			p.components = append(p.components, component)
			return err
		})
	default:
		return body.skip()
	}
}

func (d *definition) decode(body *reader) error {
	return body.object(func(key string) (err error) {
		switch key {
		case "definitionPath":
			return body.decode(&d.path)
		case "definition":
			d.config, err = decodeKept(body)
			return err
		case "schema":
			d.schema, err = decodeKept(body)
			return err
		case "dependencies":
			return body.decode(&d.dependencies)
		case "changedModules", "functions":
			return body.array(func() error { return d.decodeModule(body) })
		case "unchangedModuleHashes":
			return body.decode(&d.unchanged)
		case "udfServerVersion":
			return body.decode(&d.udfServerVersion)
		default:
			return body.skip()
		}
	})
}

func (d *definition) decodeModule(body *reader) error {
	module, err := decodeModule(body)
	if err != nil {
		return err
	}
	pushed := module.digest()
	if body.keepSources {
		pushed.source, pushed.sourceMap = *module.Source, deref(module.SourceMap)
	}
	d.modules = append(d.modules, pushed)
	return nil
}

// decodeKept reads a module or null, and keeps the module's source.
func decodeKept(body *reader) (*pushedModule, error) {
	if isNull, err := body.null(); isNull || err != nil {
		return nil, err
	}
	module, err := decodeModule(body)
	if err != nil {
		return nil, err
	}
	kept := module.digest()
	kept.source, kept.sourceMap = *module.Source, deref(module.SourceMap)
	return &kept, nil
}

// AdminKey returns the key that came with the request.
func (p *Request) AdminKey() string { return *p.adminKey }

// Sources calls back with each module that came with its source.
func (p *Request) Sources(each func(sha256, source, sourceMap string) error) error {
	for _, d := range p.definitions() {
		for _, module := range d.all() {
			if err := each(module.SHA256, module.source, module.sourceMap); err != nil {
				return err
			}
		}
	}
	return nil
}

// definitions returns the app and the component definitions.
func (p *Request) definitions() []definition {
	return append([]definition{*p.app}, p.components...)
}

// complete reports a field that the backend insists on.
func (p *Request) complete() error {
	switch {
	case p.adminKey == nil:
		return protocol.MissingField("adminKey")
	case p.functions == nil:
		return protocol.MissingField("functions")
	case p.app == nil:
		return protocol.MissingField("appDefinition")
	case p.app.udfServerVersion == nil:
		return protocol.MissingField("udfServerVersion")
	case !p.hasComponents:
		return protocol.MissingField("componentDefinitions")
	case !p.hasDependencies:
		return protocol.MissingField("nodeDependencies")
	}
	return nil
}

// Check turns the request into a project, as the backend says: everything wrong
// with it here is InvalidConfig, whatever more telling code the reason has.
func (p *Request) Check() error {
	for _, d := range p.definitions() {
		if err := d.check(); err != nil {
			return protocol.BadRequest("InvalidConfig", "%v", err)
		}
	}
	if p.nodeVersion != nil && !slices.Contains([]string{"18", "20", "22", "24"}, *p.nodeVersion) {
		return protocol.BadRequest("InvalidConfig", "Invalid node version: %s", *p.nodeVersion)
	}
	return nil
}

func (d definition) check() error {
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

// all returns every module of a definition, those that are not run included.
func (d definition) all() []pushedModule {
	all := slices.Clone(d.modules)
	for _, module := range []*pushedModule{d.schema, d.config} {
		if module != nil {
			all = append(all, *module)
		}
	}
	return all
}

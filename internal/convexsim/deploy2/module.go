package deploy2

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

// MaxUserModules is how many modules a definition may have, bundled dependencies not
// counted: the knob MAX_USER_MODULES.
const MaxUserModules = 4096

const maxPathComponent = 64

// moduleJSON is a module of a push request.
type moduleJSON struct {
	Path        *string
	Source      *string
	SourceMap   *string // may be null
	Environment *string // may be null
}

// decodeModule reads a module.
func decodeModule(body *reader) (moduleJSON, error) {
	var module moduleJSON
	err := body.object(func(key string) (err error) {
		switch key {
		case "path":
			module.Path, err = decodeText(body)
		case "source":
			module.Source, err = decodeText(body)
		case "sourceMap":
			module.SourceMap, err = decodeText(body)
		case "environment":
			module.Environment, err = decodeText(body)
		default:
			err = body.skip()
		}
		return err
	})
	switch {
	case err != nil:
		return module, err
	case module.Path == nil:
		return module, protocol.MissingField("path")
	case module.Source == nil:
		return module, protocol.MissingField("source")
	}
	return module, nil
}

// decodeText reads a string or null.
func decodeText(body *reader) (*string, error) {
	if isNull, err := body.null(); isNull || err != nil {
		return nil, err
	}
	text, err := body.text()
	return &text, err
}

// pushedModule is a module of a push with what was read from its text.
type pushedModule struct {
	Path string
	state.Module
	source, sourceMap string // kept for definitions and schemas, or for all
}

// moduleHash is a module that the client has not sent because the server should
// have it.
type moduleHash struct {
	Path        string  `json:"path"`
	Environment *string `json:"environment"`
	SHA256      string  `json:"sha256"`
}

// digest hashes a module and reads what is needed from its text.
func (m moduleJSON) digest() pushedModule {
	sum := sha256.New()
	sourceMap := deref(m.SourceMap)
	_, _ = io.WriteString(sum, *m.Source)
	_, _ = io.WriteString(sum, sourceMap)
	pushed := pushedModule{Path: *m.Path, Module: state.Module{
		Environment: environmentOf(m.Environment, *m.Path),
		SHA256:      hex.EncodeToString(sum.Sum(nil)),
		Bytes:       len(*m.Source) + len(sourceMap),
		Exports:     bundle.ExportedNames(*m.Source),
	}}
	switch state.Canonical(*m.Path) {
	case bundle.ConfigModule:
		pushed.Declares = bundle.EnvDeclarations(*m.Source)
	case bundle.AuthModule:
		pushed.Variables = bundle.EnvironmentReads(*m.Source)
		pushed.Providers = bundle.AuthProviders(*m.Source)
	}
	return pushed
}

// environmentOf returns the environment of a module that may not name it: very old
// clients put node modules into a folder.
func environmentOf(environment *string, modulePath string) string {
	switch {
	case environment != nil:
		return *environment
	case strings.HasPrefix(modulePath, "actions/"):
		return "node"
	default:
		return "isolate"
	}
}

// check applies the rules for paths and environments.
func (m pushedModule) check() error {
	if err := checkModulePath(m.Path); err != nil {
		return fmt.Errorf("%s is not a valid path to a Convex module. %w", m.Path, err)
	}
	return checkEnvironment(m.Environment)
}

func checkEnvironment(environment string) error {
	if environment != "isolate" && environment != "node" && environment != "invalid" {
		return fmt.Errorf("Invalid environment %s", environment) //nolint:staticcheck // sent as it is
	}
	return nil
}

func checkModulePath(modulePath string) error {
	if ext := path.Ext(modulePath); ext != "" && ext != ".js" {
		return fmt.Errorf("Module path (%s) has an extension that isn't 'js'.", modulePath) //nolint:staticcheck,revive // sent as it is
	}
	if strings.HasPrefix(modulePath, "/") {
		return fmt.Errorf("Module paths must be relative (%s is absolute).", modulePath) //nolint:staticcheck,revive // sent as it is
	}
	for component := range strings.SplitSeq(state.Canonical(modulePath), "/") {
		if err := checkPathComponent(component); err != nil {
			return err
		}
	}
	return nil
}

func checkPathComponent(component string) error {
	letters := 0
	for _, r := range component {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			letters++
		case r != '_' && r != '.':
			return fmt.Errorf("Path component %s can only contain alphanumeric characters, underscores, or periods.", component) //nolint:staticcheck,revive // sent as it is
		}
	}
	switch {
	case letters == 0:
		return fmt.Errorf("Path component %s must have at least one alphanumeric character.", component) //nolint:staticcheck,revive // sent as it is
	case len(component) > maxPathComponent:
		return errors.New("Path component is too long") //nolint:staticcheck // sent as it is
	}
	return nil
}

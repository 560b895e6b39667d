package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

const schemaModule = "schema.js"

// code keeps the sources of pushed modules, by the hash that a push has of each, and
// lays them out as the child imports them.
type code struct {
	folder string // of everything that is written here
	trees  int
}

func (c *code) source(sha string) string { return filepath.Join(c.folder, "sources", sha+".js") }

// keep stores a module.
func (c *code) keep(sha, source, sourceMap string) error {
	if _, err := os.Stat(c.source(sha)); err == nil {
		return nil
	}
	err := os.MkdirAll(filepath.Dir(c.source(sha)), 0o755)
	if err == nil {
		err = atomicfile.WriteVolatile(c.source(sha)+".map", []byte(sourceMap), 0o600)
	}
	if err == nil {
		err = atomicfile.WriteVolatile(c.source(sha), []byte(source), 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot keep the source of a module: %w", err)
	}
	return nil
}

// program is what the child loads.
type program struct {
	Root        string            `json:"root"`
	Components  []component       `json:"components"`
	Environment map[string]string `json:"environment"`
	Origin      string            `json:"origin"` // where files are served
}

type component struct {
	Path    string   `json:"path"`
	Folder  string   `json:"folder"` // below the root
	Modules []string `json:"modules"`
	Schema  bool     `json:"schema"`
}

// fingerprint differs when the child has to load the program anew.
func fingerprint(stored state.State) string {
	text, err := json.Marshal([]any{stored.Deployed, stored.Components, stored.Environment})
	if err != nil {
		panic(err) // maps of text
	}
	return string(text)
}

// lay writes the modules of a state into a new folder: an engine evaluates a module
// once for each path.
func (c *code) lay(stored state.State) (program, error) {
	c.trees++
	root := filepath.Join(c.folder, "tree", strconv.Itoa(c.trees))
	laid := program{Root: root, Environment: stored.Environment}
	for i, definitionPath := range slices.Sorted(maps.Keys(stored.Definitions)) {
		folder := strconv.Itoa(i)
		modules := stored.Definitions[definitionPath].Modules
		if err := c.layDefinition(filepath.Join(root, folder), modules); err != nil {
			return program{}, err
		}
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(modules)), func(name string) bool {
			return state.IsDependency(name) || name == bundle.ConfigModule || name == bundle.AuthModule
		})
		_, schema := modules[schemaModule]
		for path, mounted := range stored.Components {
			if mounted.Definition == definitionPath && !mounted.Unmounted {
				laid.Components = append(laid.Components, component{path, folder, names, schema})
			}
		}
	}
	return laid, os.WriteFile(filepath.Join(root, "package.json"), []byte(`{"type":"module"}`), 0o600)
}

func (c *code) layDefinition(folder string, modules map[string]state.Module) error {
	for name, module := range modules {
		into := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(into), 0o755); err != nil {
			return fmt.Errorf("cannot lay out the modules: %w", err)
		}
		for _, suffix := range []string{"", ".map"} {
			err := os.Link(c.source(module.SHA256)+suffix, into+suffix)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return fmt.Errorf("cannot run functions: the source of %s was not kept, as convex-sim ran without --runner when it was pushed; push all modules again", name)
			case err != nil:
				return fmt.Errorf("cannot lay out the modules: %w", err)
			}
		}
	}
	return nil
}

package requestfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tale-project/tale-runtime/internal/push/release"
)

// The oldest CLI whose requests are accepted. Before 1.31.6 a request had no place
// for hashes of unchanged modules, and the backend read it by another name.
var oldestCLI = release.Version{1, 31, 6}

// Summary is what a usable push request holds, for a log line.
type Summary struct {
	Path             string
	Bytes            int64
	CLIVersion       string // of the convex package that wrote it
	Modules          int    // of the app, schema and definition included
	Components       int    // component definitions
	ComponentModules int
	Warnings         []string
}

// String returns one line for people.
func (s Summary) String() string {
	return fmt.Sprintf("%s: %d bytes, written by convex %s, %d modules of the app, %d modules of %d components",
		s.Path, s.Bytes, s.CLIVersion, s.Modules, s.ComponentModules, s.Components)
}

// Check reports why the native driver cannot push the file, if so: at image build,
// so that a bad one does not become a bad image, and at boot.
func Check(path string) (Summary, error) {
	r, err := Open(path)
	if err != nil {
		return Summary{}, err
	}
	defer func() { _ = r.Close() }()
	return r.Check()
}

// Check returns every reason why the native driver cannot push the file.
func (r *File) Check() (Summary, error) {
	x := r.Index
	summary := Summary{Path: r.Path, Bytes: x.Size, CLIVersion: x.UDFServerVersion, Components: x.Components}
	for _, m := range x.Modules {
		if m.Component == "" {
			summary.Modules++
		} else {
			summary.ComponentModules++
		}
	}
	if x.KeyIsReal {
		summary.Warnings = append(summary.Warnings, "the file holds what looks like a real admin key: everybody who has the image has the key. "+
			"Write the file with a placeholder key, and change INSTANCE_SECRET")
	}
	if problems := x.problems(); len(problems) > 0 {
		return summary, fmt.Errorf("cannot use the push request %s: %w", r.Path, errors.Join(problems...))
	}
	return summary, nil
}

func (x *Index) problems() []error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if x.HashedModules > 0 {
		add("it has only the hashes of %d modules; write it with --push-all-modules", x.HashedModules)
	}
	if x.DryRun {
		add("it was written with --dry-run")
	}
	if x.ForCodegen {
		add("it was written for the code generation of one component, of which a backend stores nothing")
	}
	if x.NodeVersion == "18" {
		add("it asks for Node.js 18, which newer backends refuse (NodeVersionNotSupported); set node.nodeVersion in convex.json")
	}
	if len(x.Functions()) == 0 {
		add("it has no functions; is the convex folder of the app empty?")
	}
	if doubled := doubledModule(x.Modules); doubled != "" {
		add("it has the module %s twice", doubled)
	}
	switch version, err := release.Parse(x.UDFServerVersion); {
	case err != nil:
		add("udfServerVersion: %w", err)
	case version.Before(oldestCLI):
		add("it was written by convex %s; the oldest that works is %s", x.UDFServerVersion, oldestCLI)
	}
	return problems
}

func doubledModule(modules []Module) string {
	seen := make(map[string]bool, len(modules))
	for _, m := range modules {
		name := m.Component + "\x00" + m.Path
		if seen[name] {
			return strings.TrimPrefix(strings.ReplaceAll(name, "\x00", "/"), "/")
		}
		seen[name] = true
	}
	return ""
}

// Prepare checks the file and writes its index beside it, at image build.
func Prepare(path string) (Summary, error) {
	summary, err := Check(path)
	if err == nil {
		_, err = WriteIndex(path)
	}
	return summary, err
}

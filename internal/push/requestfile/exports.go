package requestfile

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

var (
	exportList   = regexp.MustCompile(`\bexport\s*\{([^}]*)\}`)
	exportedName = regexp.MustCompile(`\bexport\s+(?:const|let|var|(?:async\s+)?function)\s+(\w+)`)
)

// Exports reports whether one of the app's own modules exports a name, in the forms in
// which the bundler of the convex CLI writes it.
func (r *File) Exports(path, name string) (bool, error) {
	functions := r.Index.Functions()
	i := slices.IndexFunc(functions, func(m Module) bool { return m.Path == path })
	if i < 0 {
		return false, nil
	}
	var module struct{ Source string }
	if err := json.NewDecoder(io.NewSectionReader(r, functions[i].At.Start, functions[i].At.Length())).Decode(&module); err != nil {
		return false, fmt.Errorf("cannot read %s of the push request: %w", path, err)
	}
	for _, list := range exportList.FindAllStringSubmatch(module.Source, -1) {
		for item := range strings.SplitSeq(list[1], ",") {
			if words := strings.Fields(item); len(words) > 0 && words[len(words)-1] == name {
				return true, nil
			}
		}
	}
	return slices.ContainsFunc(exportedName.FindAllStringSubmatch(module.Source, -1), func(found []string) bool { return found[1] == name }), nil
}

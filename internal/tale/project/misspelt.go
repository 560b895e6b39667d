package project

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// misspelt returns the members that have almost the name of one that is known.
func (f *File) misspelt() (problems config.Problems) {
	for _, name := range slices.Sorted(maps.Keys(f.others)) {
		if meant := f.meant(name); meant != "" {
			problems = append(problems, config.Problem{Variable: name, Wrong: "is unknown", Accepted: meant})
		}
	}
	return problems
}

// meant returns the member whose name is almost that, "" if there is none.
func (f *File) meant(name string) string {
	var members []string
	for _, member := range f.members() {
		members = append(members, member.name)
	}
	return config.Nearest(name, members)
}

// warnings names the members that nothing here reads. They may be of another version.
func (f *File) warnings() (list []string) {
	for _, name := range slices.Sorted(maps.Keys(f.others)) {
		if name != "" && unicode.IsLetter(rune(name[0])) { // and no "$schema"
			list = append(list, fmt.Sprintf("%s has %q, which is unknown to this tale and has no effect", FileName, name))
		}
	}
	return list
}

// mostSlips is by how many letters the name of a setting may differ from one that is meant.
const mostSlips = 2

// misspelt names the variables of .env that are nearly one of the stack's which has no value
// there. An app may have variables of its own, so that none is refused.
func (s Settings) misspelt(text envText) (warnings []string) {
	known := stack.Variables()
	for _, name := range slices.Sorted(maps.Keys(s)) {
		line := text.lineOf(name)
		if line == 0 || slices.Contains(known, strings.TrimSuffix(name, "_FILE")) {
			continue
		}
		meant := slices.MinFunc(known, func(a, b string) int { return config.Distance(name, a) - config.Distance(name, b) })
		if s[meant].From == "" && len(name) > 3*mostSlips && config.Distance(name, meant) <= mostSlips {
			warnings = append(warnings, fmt.Sprintf("%s, line %d: %s is none of the stack's settings: is %s meant?", EnvName, line, name, meant))
		}
	}
	return warnings
}

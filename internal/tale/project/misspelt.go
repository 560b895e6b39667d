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
func (f *File) meant(name string) (nearest string) {
	least := len(name)
	for _, member := range f.members() {
		d := distance(strings.ToLower(name), strings.ToLower(member.name))
		if d <= max(1, len(member.name)/3) && d < least {
			nearest, least = member.name, d
		}
	}
	return nearest
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
		meant := slices.MinFunc(known, func(a, b string) int { return distance(name, a) - distance(name, b) })
		if s[meant].From == "" && len(name) > 3*mostSlips && distance(name, meant) <= mostSlips {
			warnings = append(warnings, fmt.Sprintf("%s, line %d: %s is none of the stack's settings: is %s meant?", EnvName, line, name, meant))
		}
	}
	return warnings
}

// distance returns how many letters have to be put in, left out, replaced or swapped with
// the next to make one word of the other.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			if i == 0 || j == 0 {
				rows[i][j] = i + j
				continue
			}
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(replaced, 1+rows[i-1][j], 1+rows[i][j-1])
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
			}
		}
	}
	return rows[len(a)][len(b)]
}

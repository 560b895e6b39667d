package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// difference is one between two answers.
type difference struct {
	what string // status, header NAME, or body and the path in it
	kind string // value, type, missing, added, length, failure
	a, b string
}

func (d difference) String() string {
	return fmt.Sprintf("%s (%s): %s ≠ %s", d.what, d.kind, d.a, d.b)
}

// compare returns all differences, the most telling first.
func compare(a, b normal) (found []difference) {
	if a.failed != b.failed {
		return []difference{{"answer", "failure", orDash(a.failed), orDash(b.failed)}}
	}
	if a.status != b.status {
		found = append(found, difference{"status", "value", strconv.Itoa(a.status), strconv.Itoa(b.status)})
	}
	for _, name := range comparedHeaders {
		inA, inB := a.headers[name], b.headers[name]
		switch {
		case inA == inB:
		case inA == "":
			found = append(found, difference{"header " + name, "added", "–", inB})
		case inB == "":
			found = append(found, difference{"header " + name, "missing", inA, "–"})
		default:
			found = append(found, difference{"header " + name, "value", inA, inB})
		}
	}
	return append(found, compareValues("body", a.body, b.body)...)
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

func compareValues(path string, a, b any) []difference {
	if fmt.Sprintf("%T", a) != fmt.Sprintf("%T", b) {
		return []difference{{path, "type", short(a), short(b)}}
	}
	switch inA := a.(type) {
	case map[string]any:
		return compareObjects(path, inA, b.(map[string]any))
	case []any:
		inB := b.([]any)
		if len(inA) != len(inB) {
			return []difference{{path, "length", fmt.Sprintf("%d: %s", len(inA), short(a)), fmt.Sprintf("%d: %s", len(inB), short(b))}}
		}
		var found []difference
		for i := range inA {
			found = append(found, compareValues(fmt.Sprintf("%s[%d]", path, i), inA[i], inB[i])...)
		}
		return found
	}
	if a == b {
		return nil
	}
	return []difference{{path, "value", short(a), short(b)}}
}

func compareObjects(path string, a, b map[string]any) (found []difference) {
	names := slices.Sorted(maps.Keys(a))
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if _, both := a[name]; !both {
			names = append(names, name)
		}
	}
	for _, name := range names {
		inA, hasA := a[name]
		inB, hasB := b[name]
		switch {
		case !hasB:
			found = append(found, difference{path + "." + name, "missing", short(inA), "–"})
		case !hasA:
			found = append(found, difference{path + "." + name, "added", "–", short(inB)})
		default:
			found = append(found, compareValues(path+"."+name, inA, inB)...)
		}
	}
	return found
}

func short(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	const most = 100
	if runes := []rune(string(text)); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(text)
}

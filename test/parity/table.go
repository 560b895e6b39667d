package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// result is what came of one request.
type result struct {
	request    request
	a, b       normal
	unexpected []difference
	expected   map[string]int // the name of an expectation → how many met it
}

func judge(r request, a, b normal) result {
	made := result{request: r, a: a, b: b, expected: map[string]int{}}
	for _, d := range compare(a, b) {
		if name := explain(r, d); name != "" {
			made.expected[name]++
		} else {
			made.unexpected = append(made.unexpected, d)
		}
	}
	return made
}

// report prints the differences and a line for each area, and returns how many
// requests were answered differently.
func report(out io.Writer, a, b *target, results []result) (different int) {
	type count struct{ all, same, expected, different int }
	areas, order, names := map[string]*count{}, []string{}, map[string]int{}
	for _, r := range results {
		c := areas[r.request.area]
		if c == nil {
			c = &count{}
			areas[r.request.area], order = c, append(order, r.request.area)
		}
		c.all++
		switch {
		case len(r.unexpected) > 0:
			different++
			c.different++
			printDifference(out, a, b, r)
		case len(r.expected) > 0:
			c.expected++
		default:
			c.same++
		}
		for name := range r.expected {
			names[name]++
		}
	}
	_, _ = fmt.Fprintf(out, "%-12s %9s %6s %9s %10s\n", "area", "requests", "same", "expected", "different")
	for _, area := range order {
		c := areas[area]
		_, _ = fmt.Fprintf(out, "%-12s %9d %6d %9d %10d\n", area, c.all, c.same, c.expected, c.different)
	}
	_, _ = fmt.Fprintf(out, "%-12s %9d %6s %9s %10d\n", "all", len(results), "", "", different)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		_, _ = fmt.Fprintf(out, "expected: %s (%d)\n", name, names[name])
	}
	return different
}

func printDifference(out io.Writer, a, b *target, r result) {
	first := r.unexpected[0]
	_, _ = fmt.Fprintf(out, "%s\n  %s %s  %s\n  %s: %d   %s: %d\n  %s (%s)\n    %s: %s\n    %s: %s\n", r.request.label(),
		orDash(r.request.method), r.request.path, cut(r.request.body), a.name, r.a.status, b.name, r.b.status,
		first.what, first.kind, a.name, first.a, b.name, first.b)
	if more := len(r.unexpected) - 1; more > 0 {
		var others []string
		for _, d := range r.unexpected[1:min(len(r.unexpected), 6)] {
			others = append(others, d.what)
		}
		_, _ = fmt.Fprintf(out, "  and %d more: %s\n", more, strings.Join(others, ", "))
	}
	_, _ = fmt.Fprintln(out)
}

func cut(text string) string {
	const most = 120
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

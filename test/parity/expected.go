package main

import "regexp"

// expectation is a difference that is known and meant.
type expectation struct {
	name    string
	request *regexp.Regexp // of the label
	what    *regexp.Regexp
}

// expectations names the differences between the simulator and the official
// backend that are no mistake of either. A line here needs a reason.
func expectations() []expectation {
	line := func(name, request, what string) expectation {
		return expectation{name, regexp.MustCompile(request), regexp.MustCompile(what)}
	}
	return []expectation{
		line("a release has its version, and the simulator none", `^probes: .*(/version|/instance_version)$`, `^body$`),
		line("the simulator has what a deploy uses", `^elsewhere: `, `.`),
		line("the simulator has no timings of pushes", `^push: report$`, `.`),
		line("stack traces name the runtime's own files", `^(functions|socket|paused): `, `(errorMessage|error|message|logLines)(\[\d+\])?$`),
		line("search ranks by its own score", `^functions: similar$`, `_?score$`),
	}
}

// explain returns the name of the expectation that a difference meets, or "".
func explain(r request, d difference) string {
	for _, e := range expectations() {
		if e.request.MatchString(r.label()) && e.what.MatchString(d.what) {
			return e.name
		}
	}
	return ""
}

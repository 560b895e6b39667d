package docs_test

import (
	"regexp"
	"testing"
)

// The backend and its dashboard speak to each other only when they are of one commit,
// and the page about upgrades names it.
func TestBackendPins(t *testing.T) {
	const commit = `([0-9a-f]{40})`
	pins := map[string]string{}
	for what, where := range map[string]struct{ file, pattern string }{
		"CONVEX_BACKEND_IMAGE":   {"images/convex/Dockerfile", `(?m)^ARG CONVEX_BACKEND_IMAGE=ghcr\.io/get-convex/convex-backend:` + commit + `$`},
		"CONVEX_DASHBOARD_IMAGE": {"images/convex/Dockerfile", `(?m)^ARG CONVEX_DASHBOARD_IMAGE=ghcr\.io/get-convex/convex-dashboard:` + commit + `$`},
		"docs/convex.md":         {"docs/convex.md", "commit\\s`" + commit + "`"},
	} {
		found := regexp.MustCompile(where.pattern).FindAllStringSubmatch(read(t, where.file), -1)
		if len(found) != 1 {
			t.Fatalf("%s: %d pins of %s, want one", where.file, len(found), what)
		}
		pins[what] = found[0][1]
	}
	for what, pin := range pins {
		if backend := pins["CONVEX_BACKEND_IMAGE"]; pin != backend {
			t.Errorf("%s is of commit %s, and CONVEX_BACKEND_IMAGE of %s: set all of them to one", what, pin, backend)
		}
	}
}

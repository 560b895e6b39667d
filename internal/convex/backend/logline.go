package backend

import "strings"

// What the backend says in its log, as crates of get-convex/convex-backend print it at
// 5f66740a (2026-02) and at 94a42c3d (2026-08), with LOG_FORMAT unset:
//
//	2026-08-22T10:00:00.123456Z ERROR common::errors: Caught …

// SaysNothing reports whether a line of the backend is the one that follows each error
// for want of a Sentry account (common/src/errors.rs).
func SaysNothing(line string) bool {
	return strings.Contains(line, "common::errors") && strings.Contains(line, "Not reporting above error: Sentry is not configured")
}

// Package official finds the official backend, convex-local-backend, for a demo
// on this machine: one that is named by its path, one that the convex command
// line client has downloaded, or the release that is pinned here. It executes
// nothing.
package official

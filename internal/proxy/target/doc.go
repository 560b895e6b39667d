// Package target decides what a request asks for: Handler gives it one target ahead of
// everything that looks at one, Forward changes the path for an upstream, and BasePath
// serves the whole table under a prefix. All three work on the path as it was sent, so
// what is decided on is what an upstream gets.
//
// The rows that it protects come from the route table; it does not route.
package target

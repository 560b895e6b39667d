// Package convexcli knows the convex command line tool as a program: where it is,
// which runtime it needs, which arguments fit its version, what its environment
// may hold, and what of its output is worth keeping.
//
// It does not know what the CLI asks the backend; package clidriver observes that.
package convexcli

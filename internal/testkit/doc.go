// Package testkit has what tests of several packages need: processes with their
// output, facts that come true in time, ports, folders, root, and the programs
// that are driven for real. It knows no service, and no binary imports it.
package testkit

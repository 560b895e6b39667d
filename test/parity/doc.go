// Parity sends the same requests to two backends, the simulator and the official
// one, and prints where their answers differ. Times, identifiers and addresses are
// made the same before they are compared; a difference that is known and meant is
// named in expected.go. It exits with 1 when there are others.
//
// The requests push an app, change variables, sign the guestbook and pause the
// deployment: they are for a deployment that has nothing in it.
package main

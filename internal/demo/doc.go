// Package demo is what `make demo` runs: the real binaries of this repository
// as a stack on loopback, in front of the example app, with convex-sim in the
// place of the Convex backend. It builds the app, follows the boot, says what
// each stage took, and with --once checks the running stack through its proxy.
//
// It is not a way to run Tale: secrets are made up, everything listens on
// 127.0.0.1, and a simulator is no backend.
package demo

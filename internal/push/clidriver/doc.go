// Package clidriver pushes an app with its own convex CLI. The CLI is pointed at
// a listener on loopback, the tap, which forwards every request to the backend
// byte for byte and tells a trace what it sees. So the stage, the progress and
// the cause of a failure are known from the wire; what the CLI prints is kept as
// evidence and never interpreted.
//
// It does one attempt. Whether another follows is decided in package push.
package clidriver

// Package entrypoint is what the command lines of our containers' entrypoints
// have in common: it makes the commands, reads their settings, gives up root
// before a service begins, and has the commands that look at a running service
// or run another program. What a service does at its boot is not its business
// (package boot).
package entrypoint

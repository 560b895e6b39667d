// Package entrypoint has what the command lines of our containers' entrypoints
// share. What a service does at its boot is not its business (package boot).
package entrypoint

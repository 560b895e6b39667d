//go:build !amd64 && !arm64

// Package runtimesignal has no handler for this architecture.
package runtimesignal

import (
	"errors"
	"os"
	"syscall"
)

// Signals is empty: no signal is reported.
var Signals []syscall.Signal

// Received returns an error.
func Received() (<-chan os.Signal, error) {
	return nil, errors.New("SIGURG and SIGPROF cannot be told apart on this architecture")
}

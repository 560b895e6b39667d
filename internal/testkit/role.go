package testkit

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
)

// RoleVariable makes a test binary play another program, so that tests use real
// processes: see Main.
const RoleVariable = "TALE_TEST_ROLE"

// Main belongs into TestMain. It runs the program that RoleVariable names, or the
// tests, and returns the exit code. Processes that the tests start do not ignore
// SIGHUP, also where nohup runs the tests: what a process ignores it hands down,
// what it catches it does not.
func Main(m *testing.M, programs map[string]func() int) int {
	role := os.Getenv(RoleVariable)
	if role == "" {
		if signal.Ignored(syscall.SIGHUP) {
			signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
		}
		return m.Run()
	}
	program := programs[role]
	if program == nil {
		fmt.Fprintf(os.Stderr, "this test binary plays no %q\n", role)
		return 127
	}
	return program()
}

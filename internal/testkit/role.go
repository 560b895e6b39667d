package testkit

import (
	"fmt"
	"os"
	"testing"
)

// RoleVariable makes a test binary play another program, so that tests use real
// processes: see Main.
const RoleVariable = "TALE_TEST_ROLE"

// Main is for TestMain. It runs the program that RoleVariable names, or the
// tests, and returns the exit code.
func Main(m *testing.M, programs map[string]func() int) int {
	role := os.Getenv(RoleVariable)
	if role == "" {
		return m.Run()
	}
	program := programs[role]
	if program == nil {
		fmt.Fprintf(os.Stderr, "this test binary plays no %q\n", role)
		return 127
	}
	return program()
}

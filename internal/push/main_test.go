package push

import (
	"os"
	"testing"
)

// TestMain lets the test binary stand for the convex CLI: a real process with
// real requests and signals, which starts in milliseconds.
func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeCLIMode); mode != "" {
		os.Exit(fakeCLI(mode))
	}
	os.Exit(m.Run())
}

package push

import (
	"os"
	"testing"
)

// TestMain lets the test binary stand for the convex CLI, a real process with
// real requests and signals, and for a process that only pushes.
func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeCLIMode); mode != "" {
		os.Exit(fakeCLI(mode))
	}
	if request := os.Getenv(pusher); request != "" {
		os.Exit(pushNatively(request))
	}
	os.Exit(m.Run())
}

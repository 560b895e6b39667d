package supervise_test

import (
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/supervise"
)

func TestStateNames(t *testing.T) {
	var names []string
	for state := supervise.StateStarting; state <= supervise.StateFailed; state++ {
		names = append(names, state.String())
	}
	if want := []string{"starting", "running", "ready", "exited", "backoff", "stopping", "stopped", "failed"}; !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	if got := supervise.State(99).String(); got != "state(99)" {
		t.Errorf("got %q", got)
	}
}

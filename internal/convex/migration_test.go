package convex

import (
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/logging"
)

// A backend that says nothing of its database, as RUST_LOG may have it, is used after a
// while; one that has begun to look is waited for.
func TestUsesDatabase(t *testing.T) {
	start := time.Now()
	for name, tt := range map[string]struct {
		phase  backend.Phase
		after  time.Duration
		usable bool
	}{
		"silent":           {backend.PhaseUnknown, 0, false},
		"silent, still":    {backend.PhaseUnknown, databasePatience - 1, false},
		"silent, too long": {backend.PhaseUnknown, databasePatience, true},
		"migrating":        {backend.PhaseMigrating, time.Hour, false},
		"current":          {backend.PhaseCurrent, 0, true},
		"newer":            {backend.PhaseNewer, time.Hour, false},
	} {
		w := &backendWatch{boot: &Boot{settings: &Settings{}, log: logging.Discard()}, database: backend.Database{Phase: tt.phase}, answersSince: start}
		if err := w.usesDatabase(start.Add(tt.after)); (err == nil) != tt.usable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

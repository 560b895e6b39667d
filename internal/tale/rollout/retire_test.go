package rollout_test

import (
	"context"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAReleaseThatEndsOnceItIsVisited has replaced the one before it: that is no success, and
// is said with what goes back. One that is only busy stands.
func TestAReleaseThatEndsOnceItIsVisited(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		backoff int
		happens func(*host, string)
		fallen  bool
	}{
		"it ends":                  {1 << 20, func(h *host, container string) { h.Die(container, 9, false) }, true}, // not started again soon
		"it ends, and comes again": {0, func(h *host, container string) { h.Die(container, 9, false) }, true},
		"it is busy":               {0, func(h *host, container string) { h.Sicken(container) }, false},
		"nothing does":             {0, func(*host, string) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.mustDeploy("1.0.0")
			h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Backoff: tt.backoff})
			h.visible = func(context.Context, engine.Container) (*site.Visitor, error) {
				tt.happens(h, "p-platform-green")
				return nil, nil
			}
			err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
			if tt.fallen {
				testkit.WantError(t, err, exit.Degraded, "platform-green has ended with exit code 9 and is ", "`tale logs platform` says why", "`tale rollback` goes back")
			} else if err != nil {
				t.Error(err)
			}
			if run := h.running(); run != "convex db platform-green proxy" {
				t.Errorf("what runs is %s", run)
			}
		})
	}
}

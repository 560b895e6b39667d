package convex

import (
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

// describeMemory returns what the platform's doctor cannot see from its own
// container: the limit of this one and what the settings ask for. It is nil where
// there is no control group.
func describeMemory(memory cgroup.Memory, environ config.Environ) *status.Memory {
	limit, known := memory.Limit()
	if !known {
		return nil
	}
	if limit == cgroup.NoLimit {
		limit = 0
	}
	kills, _ := memory.Kills()
	return &status.Memory{Limit: limit, Kills: kills, Function: backend.FunctionMemory(environ)}
}

package convex

import (
	"strconv"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/status"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

// describeMemory is for the platform's doctor, who cannot see this container's
// control group or its settings. It is nil where no control group tells.
func describeMemory(memory cgroup.Memory, environ config.Environ) *status.Memory {
	limit, known := memory.Limit()
	if !known {
		return nil
	}
	if limit == cgroup.NoLimit {
		limit = 0
	}
	kills, _ := memory.Kills()
	knobs := backend.WithKnobs(environ)
	return &status.Memory{
		Limit: limit, Kills: kills,
		Function: sizeOf(knobs["ISOLATE_MAX_USER_HEAP_SIZE"]) + sizeOf(knobs["ISOLATE_MAX_HEAP_EXTRA_SIZE"]),
	}
}

// sizeOf is 0 for what is no number: the backend then takes a value of its own,
// which is not known here.
func sizeOf(text string) uint64 {
	size, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return size
}

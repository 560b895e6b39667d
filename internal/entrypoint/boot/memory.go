package boot

import (
	"fmt"

	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// leastMemory is what no service of ours runs in, in bytes; the smallest needs more.
const leastMemory = 128 << 20

// warnOfLittleMemory names a limit below which the kernel is going to kill something.
func (b *Lifecycle) warnOfLittleMemory(memory cgroup.Memory) {
	if limit, known := memory.Limit(); known && limit < leastMemory {
		b.log.Warn("the memory of this container does not suffice", "limit", fmt.Sprintf("%d MiB", limit>>20), "least", fmt.Sprintf("%d MiB", leastMemory>>20), "fix", place.Here().RaiseMemory(""))
	}
}

package convex

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestDescribeMemory(t *testing.T) {
	for name, tt := range map[string]struct {
		files   map[string]string
		environ config.Environ
		want    *status.Memory
	}{
		"limit":    {map[string]string{"memory.max": "1073741824\n", "memory.events": "oom_kill 2\n"}, nil, &status.Memory{Limit: 1 << 30, Function: 384 << 20, Kills: 2}},
		"knob":     {map[string]string{"memory.max": "1073741824\n"}, config.Environ{"ISOLATE_MAX_USER_HEAP_SIZE": "1048576"}, &status.Memory{Limit: 1 << 30, Function: 129 << 20}},
		"no limit": {map[string]string{"memory.max": "max\n"}, nil, &status.Memory{Function: 384 << 20}},
		"unknown":  {nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			memory := cgroup.Memory{Root: t.TempDir()}
			testkit.WriteTree(t, memory.Root, tt.files)
			got := describeMemory(memory, tt.environ)
			if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

package cgroup_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

// at returns the memory of a process of the group in a tree of files.
func at(t *testing.T, member string, files map[string]string) cgroup.Memory {
	t.Helper()
	memory := cgroup.Memory{Root: t.TempDir(), Member: filepath.Join(t.TempDir(), "cgroup")}
	write(t, memory.Member, member)
	for name, content := range files {
		write(t, filepath.Join(memory.Root, name), content)
	}
	return memory
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKills(t *testing.T) {
	v2, v1 := "low 0\nhigh 3\nmax 9\noom 4\noom_kill 2\noom_group_kill 0\n", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"
	tests := map[string]struct {
		files  map[string]string
		member string
		want   int
		found  bool
	}{
		"version 2, namespace": {map[string]string{"memory.events": v2}, "0::/\n", 2, true},
		"version 2, own path":  {map[string]string{"docker/abc/memory.events": v2}, "0::/docker/abc\n", 2, true},
		"version 1":            {map[string]string{"memory/docker/abc/memory.oom_control": v1}, "5:cpu:/x\n4:memory:/docker/abc\n", 5, true},
		"version 1, namespace": {map[string]string{"memory/memory.oom_control": v1}, "4:hugetlb,memory:/not/visible\n", 5, true},
		"no cgroup":            {nil, "", 0, false},
		"before oom_kill":      {map[string]string{"memory/memory.oom_control": "under_oom 0\n"}, "4:memory:/\n", 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, found := at(t, tt.member, tt.files).Kills(); got != tt.want || found != tt.found {
				t.Errorf("got %d, %v", got, found)
			}
		})
	}
}

func TestLimit(t *testing.T) {
	tests := map[string]struct {
		files  map[string]string
		member string
		want   uint64
		found  bool
	}{
		"version 2, namespace": {map[string]string{"memory.max": "268435456\n"}, "0::/\n", 256 << 20, true},
		"version 2, own path":  {map[string]string{"a/b/memory.max": "268435456\n"}, "0::/a/b\n", 256 << 20, true},
		"version 2, above":     {map[string]string{"init/memory.max": "max\n", "memory.max": "268435456\n"}, "0::/init\n", 256 << 20, true},
		"version 2, between":   {map[string]string{"a/b/c/memory.max": "max\n", "a/b/memory.max": "536870912\n", "a/memory.max": "268435456\n"}, "0::/a/b/c\n", 256 << 20, true},
		"version 2, elsewhere": {map[string]string{"a/memory.max": "max\n", "b/memory.max": "268435456\n"}, "0::/a\n", cgroup.NoLimit, true},
		"version 1, between":   {map[string]string{"memory/a/b/memory.limit_in_bytes": "9223372036854771712\n", "memory/a/memory.limit_in_bytes": "268435456\n"}, "4:memory:/a/b\n", 256 << 20, true},
		"version 1, outside": {map[string]string{
			"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.stat": "cache 1\nhierarchical_memory_limit 268435456\nhierarchical_memsw_limit 1\n",
		}, "4:memory:/not/visible\n", 256 << 20, true},
		"version 1, none outside": {map[string]string{
			"memory/memory.limit_in_bytes": "268435456\n", "memory/memory.stat": "hierarchical_memory_limit 9223372036854771712\n",
		}, "4:memory:/\n", 256 << 20, true},
		"version 2, no limit": {map[string]string{"memory.max": "max\n"}, "0::/\n", cgroup.NoLimit, true},
		"version 1":           {map[string]string{"memory/memory.limit_in_bytes": "268435456\n"}, "4:memory:/not/visible\n", 256 << 20, true},
		"version 1, no limit": {map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712\n"}, "4:memory:/\n", cgroup.NoLimit, true},
		"no cgroup":           {nil, "", 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, found := at(t, tt.member, tt.files).Limit(); got != tt.want || found != tt.found {
				t.Errorf("got %d, %v", got, found)
			}
		})
	}
}

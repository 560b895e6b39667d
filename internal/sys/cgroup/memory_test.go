package cgroup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
		"version 2, namespace":   {map[string]string{"memory.max": "268435456\n"}, "0::/\n", 256 << 20, true},
		"version 2, own path":    {map[string]string{"a/b/memory.max": "268435456\n"}, "0::/a/b\n", 256 << 20, true},
		"version 2, above":       {map[string]string{"init/memory.max": "max\n", "memory.max": "268435456\n"}, "0::/init\n", 256 << 20, true},
		"version 2, between":     {map[string]string{"a/b/c/memory.max": "max\n", "a/b/memory.max": "536870912\n", "a/memory.max": "268435456\n"}, "0::/a/b/c\n", 256 << 20, true},
		"version 2, own is less": {map[string]string{"a/b/memory.max": "268435456\n", "a/memory.max": "536870912\n"}, "0::/a/b\n", 256 << 20, true},
		"version 2, elsewhere":   {map[string]string{"a/memory.max": "max\n", "b/memory.max": "268435456\n"}, "0::/a\n", cgroup.NoLimit, true},
		"version 1, between":     {map[string]string{"memory/a/b/memory.limit_in_bytes": "9223372036854771712\n", "memory/a/memory.limit_in_bytes": "268435456\n"}, "4:memory:/a/b\n", 256 << 20, true},
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

// The files of version 2 as the kernel's documentation has them (Control Group v2, Memory
// Interface Files): memory.events counts what happened in a cgroup and below it,
// memory.events.local what happened in it alone.
func TestShortage(t *testing.T) {
	events := func(oom, kills int) string {
		return fmt.Sprintf("low 0\nhigh 0\nmax 812\noom %d\noom_kill %d\noom_group_kill 0\nsock_throttled 0\n", oom, kills)
	}
	tests := map[string]struct {
		files  map[string]string
		member string
		want   string
	}{
		"own limit, namespace":    {map[string]string{"memory.events": events(1, 1), "memory.max": "268435456\n"}, "0::/\n", "the container's memory limit of 256 MiB was reached"},
		"own limit, own path":     {map[string]string{"a/memory.events": events(1, 1), "a/memory.max": "268435456\n"}, "0::/a\n", "the container's memory limit of 256 MiB was reached"},
		"own limit, larger above": {map[string]string{"a/b/memory.events": events(1, 1), "a/b/memory.max": "268435456\n", "a/memory.max": "134217728\n", "a/memory.events": events(1, 1), "a/memory.events.local": events(0, 0)}, "0::/a/b\n", "the container's memory limit of 256 MiB was reached"},
		"the machine":             {map[string]string{"memory.events": events(0, 1), "memory.max": "268435456\n"}, "0::/\n", "the machine had no memory left (the container's limit of 256 MiB was not reached)"},
		"no limit":                {map[string]string{"memory.events": events(0, 1), "memory.max": "max\n"}, "0::/\n", "the machine had no memory left (the container has no limit of its own)"},
		"the pod": {map[string]string{
			"pod/a/memory.events": events(0, 1), "pod/a/memory.max": "max\n", "pod/memory.events": events(1, 1), "pod/memory.events.local": events(1, 0), "pod/memory.max": "536870912\n",
		}, "0::/pod/a\n", "the memory limit of 512 MiB was reached that this container shares with others"},
		"another container before": {map[string]string{
			"pod/a/memory.events": events(0, 1), "pod/a/memory.max": "268435456\n", "pod/memory.events": events(7, 8), "pod/memory.events.local": events(0, 0), "pod/memory.max": "536870912\n",
		}, "0::/pod/a\n", "the machine had no memory left (the container's limit of 256 MiB was not reached)"},
		"another container before, without local counts": {map[string]string{
			"pod/a/memory.events": events(0, 1), "pod/a/memory.max": "268435456\n", "pod/memory.events": events(7, 8), "pod/memory.max": "536870912\n",
		}, "0::/pod/a\n", "the machine had no memory left"},
		"the limit was taken away": {map[string]string{"memory.events": events(3, 1), "memory.max": "max\n"}, "0::/\n", "the machine had no memory left"},
		"cut short":                {map[string]string{"memory.events": "low 0\noom", "memory.max": "268435456"}, "0::/\n", "the machine had no memory left (the container's limit of 256 MiB was not reached)"},
		"outside of the namespace": {map[string]string{"memory.events": events(1, 1), "memory.max": "268435456\n"}, "0::/../../elsewhere\n", "the container's memory limit of 256 MiB was reached"},
		"version 1":                {map[string]string{"memory/a/memory.failcnt": "12\n", "memory/a/memory.limit_in_bytes": "268435456\n"}, "4:memory:/a\n", "the container's memory limit of 256 MiB was reached"},
		"version 1, the machine":   {map[string]string{"memory/a/memory.failcnt": "0\n", "memory/a/memory.limit_in_bytes": "268435456\n"}, "4:memory:/a\n", "the machine had no memory left (the container's limit of 256 MiB was not reached)"},
		"both, memory in 1":        {map[string]string{"memory/a/memory.failcnt": "12\n", "memory/a/memory.limit_in_bytes": "268435456\n", "unified/a/cgroup.procs": ""}, "4:memory:/a\n0::/a\n", "the container's memory limit of 256 MiB was reached"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := at(t, tt.member, tt.files).Shortage(); !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// What the kernel counts below a cgroup is in its memory.events: the kill of a child that
// was moved into a cgroup of its own is one of this container.
func TestKillsOfVersion2AreNearestFirst(t *testing.T) {
	memory := at(t, "0::/pod/a\n", map[string]string{
		"pod/a/memory.events": "oom 1\noom_kill 1\n", "pod/memory.events": "oom 5\noom_kill 9\n", "memory.events": "oom 5\noom_kill 40\n",
	})
	if kills, known := memory.Kills(); kills != 1 || !known {
		t.Errorf("%d kills, %v", kills, known)
	}
}

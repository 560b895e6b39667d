package convex

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// oomCounter reads how many processes of this container the kernel has killed
// for want of memory.
type oomCounter struct {
	root   string // where the cgroup file systems are mounted
	member string // which cgroup this process is in, as /proc/self/cgroup
}

func newOOMCounter() oomCounter {
	return oomCounter{root: "/sys/fs/cgroup", member: "/proc/self/cgroup"}
}

// Count returns the kills so far, and false where no cgroup tells. It looks at
// version 2 (memory.events) and version 1 (memory.oom_control), in the cgroup
// that /proc names and at the root, which is the container's own where it has
// a cgroup namespace.
func (c oomCounter) Count() (int, bool) {
	for _, folder := range c.folders() {
		for _, file := range []string{"memory.events", "memory.oom_control"} {
			data, err := os.ReadFile(filepath.Join(folder, file))
			if err != nil {
				continue
			}
			if kills, found := fieldOf(data, "oom_kill"); found {
				return kills, true
			}
		}
	}
	return 0, false
}

func (c oomCounter) folders() []string {
	var own []string
	membership, _ := os.ReadFile(c.member)
	for line := range strings.Lines(string(membership)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			own = append(own, filepath.Join(c.root, parts[2]))
		case strings.Contains(","+parts[1]+",", ",memory,"):
			own = append(own, filepath.Join(c.root, "memory", parts[2]))
		}
	}
	return append(own, c.root, filepath.Join(c.root, "memory"))
}

func fieldOf(data []byte, name string) (int, bool) {
	scanner := bufio.NewScanner(bytes.NewReader(data))
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), " ")
		if number, err := strconv.Atoi(strings.TrimSpace(value)); key == name && err == nil {
			return number, true
		}
	}
	return 0, false
}

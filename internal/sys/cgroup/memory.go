// Package cgroup reads what the kernel says about the memory of this container.
package cgroup

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// NoLimit is the limit where there is none.
const NoLimit = math.MaxUint64

// endless is more bytes than a machine has; version 1 writes such a number for
// no limit.
const endless = 1 << 50

// Memory is the memory of the cgroup that /proc names, or of the root, which is
// the container's own where it has a cgroup namespace; version 2 or 1.
type Memory struct {
	Root   string // where the cgroup file systems are mounted
	Member string // which cgroup this process is in, as /proc/self/cgroup
}

// Here returns this container's.
func Here() Memory { return Memory{Root: "/sys/fs/cgroup", Member: "/proc/self/cgroup"} }

// Kills returns how many processes the kernel has killed for want of memory, and
// false where no cgroup tells.
func (m Memory) Kills() (int, bool) {
	for _, data := range m.read("memory.events", "memory.oom_control") {
		if kills, found := fieldOf(data, "oom_kill"); found {
			return kills, true
		}
	}
	return 0, false
}

// Limit returns how many bytes there may be, and false where no cgroup tells. A limit
// counts for the cgroups below it, too.
func (m Memory) Limit() (uint64, bool) {
	limits := m.read("memory.max", "memory.limit_in_bytes")
	if len(limits) == 0 {
		return 0, false
	}
	least := uint64(NoLimit)
	for _, text := range limits {
		// "max", and whatever else is no number, means that there is no limit.
		if limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && limit <= endless {
			least = min(least, limit)
		}
	}
	for _, data := range m.read("memory.stat") { // version 1 knows it, also beyond what is mounted
		if limit, found := fieldOf(data, "hierarchical_memory_limit"); found && limit <= endless {
			least = min(least, uint64(limit))
		}
	}
	return least, true
}

// Shortage returns whose memory was used up when the kernel had to kill a process.
func (m Memory) Shortage() string {
	if text := m.reached(); text != "" {
		return text
	}
	limit, known := m.Limit()
	hit := false
	for _, data := range m.read("memory.failcnt") { // version 1
		hit = hit || strings.TrimSpace(string(data)) != "0"
	}
	switch {
	case hit && known && limit != NoLimit:
		return fmt.Sprintf("the container's memory limit of %.0f MiB was reached", float64(limit)/(1<<20))
	case known && limit != NoLimit:
		return fmt.Sprintf("the machine had no memory left (the container's limit of %.0f MiB was not reached)", float64(limit)/(1<<20))
	}
	return "the machine had no memory left (the container has no limit of its own)"
}

// reached returns which limit was reached, as version 2 tells; "" for none. The counts of a
// cgroup in memory.events are those of all below it, so that above the own one only
// memory.events.local says whose limit it was: beside it there are other containers.
func (m Memory) reached() string {
	events := "memory.events" // of the nearest that has it
	for _, folder := range m.folders() {
		data, err := os.ReadFile(filepath.Join(folder, events))
		if err != nil {
			continue
		}
		own := events == "memory.events"
		events = "memory.events.local"
		if times, _ := fieldOf(data, "oom"); times == 0 {
			continue
		}
		most, _ := os.ReadFile(filepath.Join(folder, "memory.max"))
		limit, err := strconv.ParseUint(strings.TrimSpace(string(most)), 10, 64)
		switch {
		case err != nil: // there is none any more
		case own:
			return fmt.Sprintf("the container's memory limit of %.0f MiB was reached", float64(limit)/(1<<20))
		default:
			return fmt.Sprintf("the memory limit of %.0f MiB was reached that this container shares with others (of its pod, or of a slice of the host)", float64(limit)/(1<<20))
		}
	}
	return ""
}

// read returns the contents of those of the files that are there, nearest first.
func (m Memory) read(names ...string) (contents [][]byte) {
	for _, folder := range m.folders() {
		for _, name := range names {
			if data, err := os.ReadFile(filepath.Join(folder, name)); err == nil {
				contents = append(contents, data)
			}
		}
	}
	return contents
}

// folders returns those of the cgroup and of all above it.
func (m Memory) folders() []string {
	var found []string
	membership, _ := os.ReadFile(m.Member)
	for line := range strings.Lines(string(membership)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for path := filepath.Join("/", parts[2]); path != "/"; path = filepath.Dir(path) {
			switch {
			case parts[0] == "0" && parts[1] == "":
				found = append(found, filepath.Join(m.Root, path))
			case strings.Contains(","+parts[1]+",", ",memory,"):
				found = append(found, filepath.Join(m.Root, "memory", path))
			}
		}
	}
	return append(found, m.Root, filepath.Join(m.Root, "memory"))
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

package cgroup

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Processes returns how many processes and threads there may be, and false where there is no
// limit, or none that is known.
func Processes() (uint64, bool) { return Here().processes() }

func (m Memory) processes() (least uint64, known bool) {
	limits := m.read("pids.max") // version 2
	inVersion1 := Memory{Root: filepath.Join(m.Root, "pids"), Member: m.Member}
	for _, text := range append(limits, inVersion1.read("pids.max")...) {
		limit, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && (!known || limit < least) {
			least, known = limit, true
		}
	}
	return least, known
}

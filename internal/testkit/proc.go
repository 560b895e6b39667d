package testkit

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ChildrenOf returns the processes that a process has started and that still run.
func ChildrenOf(pid int) (pids []int) {
	id := strconv.Itoa(pid)
	list, _ := os.ReadFile(filepath.Join("/proc", id, "task", id, "children"))
	for field := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Alive reports whether a process runs, that is exists and is no zombie.
func Alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return fields[0] != "Z" && fields[0] != "X"
}

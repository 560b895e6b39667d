// Package procfs reads what the kernel tells about processes in /proc.
package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Children lists the children of a process, dead ones included.
func Children(parent int) []int {
	folders, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, folder := range folders {
		pid, err := strconv.Atoi(folder.Name())
		if err == nil && parentOf(pid) == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parentOf reads the fourth field of /proc/PID/stat; the second, a name in
// parentheses, may contain anything.
func parentOf(pid int) int {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(string(fields[1]))
	return ppid
}

// Resident returns the resident memory of a process in bytes, from the second
// field of /proc/PID/statm; 0 when the process is gone.
func Resident(pid int) int64 {
	statm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// StatusField returns the value of a field such as "CapEff:" of a status file.
func StatusField(path, field string) (string, error) {
	status, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, field); found {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("%s has no field %s", path, field)
}

// StatusMask returns the hexadecimal bit mask in a field of a status file.
func StatusMask(path, field string) (mask uint64, err error) {
	value, err := StatusField(path, field)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscanf(value, "%x", &mask)
	return mask, err
}

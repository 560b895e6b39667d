// Package procfs reads what the kernel tells about processes in /proc.
package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
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

func parentOf(pid int) int { return int(number(stat(pid), 4)) }

// stat returns the fields of /proc/PID/stat from the third on; the second, a name in
// parentheses, may contain anything.
func stat(pid int) []string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

// number returns the n-th field of a stat file, as its manual counts them; 0 where it is none.
func number(stat []string, n int) int64 {
	if len(stat) <= n-3 {
		return 0
	}
	value, _ := strconv.ParseInt(stat[n-3], 10, 64)
	return value
}

// tick is the unit in which the kernel tells times: USER_HZ is 100 on all machines.
const tick = time.Second / 100

// Processor returns the processor time that a process and its descendants have used, 0 when it
// is gone.
func Processor(pid int) time.Duration {
	of := stat(pid)
	used := time.Duration(number(of, 14)+number(of, 15)) * tick
	for _, child := range Children(pid) {
		used += Processor(child)
	}
	return used
}

// Stopped reports whether a process stands still because of a signal, or of a debugger.
func Stopped(pid int) bool {
	of := stat(pid)
	return len(of) > 0 && strings.EqualFold(of[0], "T")
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

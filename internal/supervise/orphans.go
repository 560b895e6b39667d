package supervise

import (
	"bytes"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// foreignGrace is how long a dead child in our own process group is left to
// the code of this process that may have started it (os/exec of a library).
const foreignGrace = 10 * time.Second

// collectOrphans takes dead children that nobody here started. It returns when
// to look again, or 0.
func (t *table) collectOrphans() time.Duration {
	seen := map[int]time.Time{}
	for {
		pid := firstDead()
		if pid == 0 {
			break
		}
		if c, ours := t.leaders[pid]; ours {
			t.take(c) // died since it was looked at
			continue
		}
		if t.maybeForeign(pid) {
			// It hides the dead behind it from waitid.
			t.collectHidden(seen)
			break
		}
		_, _ = wait4(pid, nil, nil)
	}
	t.foreign = seen
	if len(seen) > 0 {
		return foreignGrace
	}
	return 0
}

// collectHidden is collectOrphans by way of /proc.
func (t *table) collectHidden(seen map[int]time.Time) {
	for _, pid := range childrenOfSelf() {
		if t.leaders[pid] != nil || !dead(pid) {
			continue
		}
		since, known := t.foreign[pid]
		switch {
		case !t.maybeForeign(pid), known && time.Since(since) >= foreignGrace:
			_, _ = wait4(pid, nil, nil)
		case known:
			seen[pid] = since
		default:
			seen[pid] = time.Now()
		}
	}
}

// maybeForeign reports whether a dead child may belong to other code of this
// process. Children of ours lead their own groups, and so their descendants
// are never in our group.
func (t *table) maybeForeign(pid int) bool {
	if t.sharedGroup {
		return false
	}
	pgid, err := unix.Getpgid(pid)
	return err == nil && pgid == unix.Getpgrp()
}

func childrenOfSelf() []int {
	folders, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, folder := range folders {
		pid, err := strconv.Atoi(folder.Name())
		if err == nil && parentOf(pid) == os.Getpid() {
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

// siginfo is what waitid fills in, as far as we read it (64-bit layout).
type siginfo struct {
	signo, errno, code, _ int32
	pid                   int32
	_                     [108]byte
}

func peek(idType, id int) int {
	var info siginfo
	for {
		err := unix.Waitid(idType, id, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0
		}
		return int(info.pid)
	}
}

// dead reports whether a child of ours has ended and was not collected.
func dead(pid int) bool { return peek(unix.P_PID, pid) == pid }

// firstDead returns one dead, uncollected child of this process, or 0.
func firstDead() int { return peek(unix.P_ALL, 0) }

func wait4(pid int, ws *unix.WaitStatus, usage *unix.Rusage) (int, error) {
	for {
		got, err := unix.Wait4(pid, ws, unix.WNOHANG, usage)
		if err != unix.EINTR {
			return got, err
		}
	}
}

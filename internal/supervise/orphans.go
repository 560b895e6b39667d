package supervise

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

// Some other code of this process, a library that uses os/exec say, may have
// started a child and be about to collect it. A dead child that we know nothing
// about is left to it for a while, for longer when it is in our own process
// group: that is where children go by default, and orphans of our children
// never.
const (
	ownGroupGrace   = 10 * time.Second
	otherGroupGrace = time.Second
)

// scanPause is the least time between two looks through /proc.
const scanPause = 50 * time.Millisecond

// collectOrphans takes dead children that this package did not start. It returns when
// to look again, or 0.
func (t *table) collectOrphans() time.Duration {
	for {
		pid := firstDead()
		if pid == 0 {
			clear(t.unknown)
			return 0
		}
		if c, ours := t.leaders[pid]; ours {
			t.take(c) // died since it was looked at
			continue
		}
		if t.grace(pid) > 0 {
			// It hides those behind it from waitid.
			return t.collectHidden(time.Now())
		}
		if got, _ := wait4(pid, nil, nil); got != pid {
			return scanPause
		}
	}
}

// collectHidden does what collectOrphans does, by way of /proc.
func (t *table) collectHidden(now time.Time) time.Duration {
	if since := now.Sub(t.scanned); since < scanPause {
		return scanPause - since
	}
	t.scanned = now
	next := ownGroupGrace
	seen := map[int]time.Time{}
	for _, pid := range procfs.Children(os.Getpid()) {
		if t.leaders[pid] != nil || !dead(pid) {
			continue
		}
		since, known := t.unknown[pid]
		if !known {
			since = now
		}
		left := t.grace(pid) - now.Sub(since)
		if left <= 0 {
			_, _ = wait4(pid, nil, nil)
			continue
		}
		seen[pid], next = since, min(next, left)
	}
	t.unknown = seen
	return max(next, scanPause)
}

// grace returns how long a dead child that we did not start is left alone.
func (t *table) grace(pid int) time.Duration {
	pgid, err := unix.Getpgid(pid)
	switch {
	case t.alone || err != nil || t.leaders[pgid] != nil || t.groups[pgid] != nil:
		return 0 // not another library's: it was in the group of a child of ours
	case pgid == unix.Getpgrp():
		return ownGroupGrace
	default:
		return otherGroupGrace
	}
}

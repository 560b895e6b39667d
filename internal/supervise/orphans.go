package supervise

import (
	"os"
	"time"

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
	for _, pid := range childrenOf(os.Getpid()) {
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

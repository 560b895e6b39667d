package supervise

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

// groupRecheck is how often a group that outlived its leader is looked at.
// Members that we adopt announce their end with SIGCHLD; this is for members
// whose parent is alive elsewhere.
const groupRecheck = 20 * time.Millisecond

// table knows the children of this process. There is one per process because
// SIGCHLD, the subreaper attribute and the list of dead children are the
// process's own.
type table struct {
	mu      sync.Mutex
	leaders map[int]*Child    // running or dead, not collected
	groups  map[int]*Child    // leader collected, group watched
	unknown map[int]time.Time // dead, not ours, and since when we know
	scanned time.Time         // when /proc was last looked through
	starter *starter
	died    chan os.Signal
	mark    string
	memory  cgroup.Memory
	oomSeen int // kills for want of memory that have explained an end
	// alone: no other code of this process starts children.
	alone bool
}

var processTable = sync.OnceValue(newTable)

func newTable() *table {
	t := &table{
		leaders: map[int]*Child{},
		groups:  map[int]*Child{},
		unknown: map[int]time.Time{},
		starter: newStarter(),
		died:    make(chan os.Signal, 1),
		mark:    newMark(),
		memory:  cgroup.Here(),
	}
	// Orphaned descendants come to us even when we are not PID 1, so that a
	// group's end is an event. It cannot fail on a kernel that runs Go.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	t.listen()
	go t.watch()
	return t
}

func (t *table) listen() { signal.Notify(t.died, syscall.SIGCHLD) }

// Adopt makes this process collect orphans from now on. Start does it too; a
// process that may run for long before its first child calls it early.
func Adopt() { processTable() }

func (t *table) watch() {
	for {
		var again <-chan time.Time
		if pause := t.collect(); pause > 0 {
			again = time.After(pause)
		}
		select {
		case <-t.died:
		case <-again:
		}
	}
}

// beAlone declares that no other code of this process will start children.
func (t *table) beAlone() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alone = true
}

// start runs fork while no dead child can be collected, and registers c.
func (t *table) start(c *Child, fork func() (int, error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var err error
	c.oomKills, _ = t.memory.Kills()
	t.starter.do(func() { c.pid, err = fork() })
	if err != nil {
		return err
	}
	t.leaders[c.pid] = c
	return nil
}

// collect takes every dead child that is ours to take and returns when to look
// again without being told, or 0.
func (t *table) collect() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	for pid, c := range t.leaders {
		if dead(pid) {
			t.take(c)
		} else if c.stopped != nil {
			c.reportSuspension()
		}
	}
	again := t.collectOrphans()
	for pgid, c := range t.groups {
		if err := unix.Kill(-pgid, 0); err == unix.ESRCH {
			delete(t.groups, pgid)
			close(c.groupGone)
		}
	}
	if len(t.groups) > 0 {
		return groupRecheck
	}
	return again
}

// take collects a dead leader. What is left of the group of a child that
// was not stopped is killed first: the dead leader keeps the group's number from
// being used again.
func (t *table) take(c *Child) {
	if !c.stopping && c.ownGroup && !c.sparesGroup {
		_ = unix.Kill(-c.pid, unix.SIGKILL)
	}
	var ws unix.WaitStatus
	var usage unix.Rusage
	if _, err := wait4(c.pid, &ws, &usage); err == nil {
		c.status = Status{wait: syscall.WaitStatus(ws), known: true, maxRSS: usage.Maxrss * 1024}
		c.status.killer, c.status.outOfMemory = t.killer(c)
	}
	delete(t.leaders, c.pid)
	if c.ownGroup {
		t.groups[c.pid] = c
	} else {
		close(c.groupGone)
	}
	close(c.leaderGone)
}

// forget ends the watch on a group.
func (t *table) forget(c *Child) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.groups[c.pid] == c {
		delete(t.groups, c.pid)
	}
}

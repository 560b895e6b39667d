package supervise

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// outputDelay is how long the output of a child that is gone may be held
	// open by a process that left its group.
	outputDelay = 500 * time.Millisecond
	// killDelay is how long a group may take to disappear after SIGKILL.
	killDelay = 2 * time.Second
)

// Child is one started process with its group.
type Child struct {
	name  string
	log   *slog.Logger
	steps []StopStep
	table *table
	pid   int
	began time.Time

	ownGroup    bool                // it leads a process group of its own
	sparesGroup bool                // what is left of the group when it ends is not killed
	stopped     chan syscall.Signal // nil: not asked for

	// Guarded by table.mu until leaderGone is closed.
	stopping bool
	killed   bool // by us
	oomKills int  // in this container before it was started
	status   Status

	leaderGone chan struct{} // the leader was collected
	groupGone  chan struct{} // no process is left in the group
	givenUp    chan struct{} // something survived SIGKILL
	done       chan struct{}
	stopOnce   sync.Once
	output     *output
}

// Start starts a child. A command that cannot be found or executed is an error
// with the exit code 127 or 126.
func Start(log *slog.Logger, p Process) (*Child, error) {
	return start(log, p, startOptions{ownGroup: true})
}

type startOptions struct {
	ownGroup    bool
	sparesGroup bool
	inherit     bool // our own stdin, stdout and stderr
	foreground  bool // make it the foreground group of the terminal at stdin
	stops       bool // report when it is suspended
}

func start(log *slog.Logger, p Process, o startOptions) (*Child, error) {
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", p.Name, err)
	}
	path, err := lookup(p.Argv[0], p.Dir, p.Env)
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", p.Name, err)
	}
	c := &Child{
		name: p.Name, log: log, steps: p.Stop, table: processTable(), began: time.Now(),
		ownGroup: o.ownGroup, sparesGroup: o.sparesGroup,
		leaderGone: make(chan struct{}), groupGone: make(chan struct{}),
		givenUp: make(chan struct{}), done: make(chan struct{}),
	}
	if o.stops {
		c.stopped = make(chan syscall.Signal, 1)
	}
	if err := c.launch(path, p, o); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", p.Name, err)
	}
	go c.finish()
	return c, nil
}

func (c *Child) launch(path string, p Process, o startOptions) error {
	files, err := c.openFiles(p, o)
	if err != nil {
		return err
	}
	defer files.closeOurs()
	env := p.Env
	if !o.inherit {
		env = c.table.markStrays(env)
	}
	attr := &syscall.ProcAttr{Dir: p.Dir, Env: env, Files: files.fds(), Sys: sysProcAttr(p, o)}
	err = c.table.start(c, func() (int, error) { return syscall.ForkExec(path, p.Argv, attr) })
	if err != nil {
		c.output.abandon()
		return startError(path, p.Dir, err)
	}
	c.output.begin()
	return nil
}

func sysProcAttr(p Process, o startOptions) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: o.ownGroup, Pdeathsig: syscall.SIGKILL, Foreground: o.foreground}
	if p.Credential != nil {
		attr.Credential = &syscall.Credential{Uid: p.Credential.UID, Gid: p.Credential.GID}
	}
	return attr
}

// finish follows the child to its end.
func (c *Child) finish() {
	defer close(c.done)
	select {
	case <-c.leaderGone:
	case <-c.givenUp:
		return
	}
	if c.isStopping() || c.sparesGroup {
		// The stop goes on until the group is gone.
		select {
		case <-c.groupGone:
		case <-c.givenUp:
		}
	} else {
		c.awaitGroup(killDelay)
	}
	c.output.end(outputDelay)
	c.table.forget(c)
}

// awaitGroup waits until no process is left in the group, for limit at most.
func (c *Child) awaitGroup(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.groupGone:
		return true
	case <-timer.C:
		return false
	}
}

// Pid returns the process id of the leader, also after it ended.
func (c *Child) Pid() int { return c.pid }

// Started returns when the child was started.
func (c *Child) Started() time.Time { return c.began }

// Exited returns a channel that is closed as soon as the leader has ended.
func (c *Child) Exited() <-chan struct{} { return c.leaderGone }

// Done returns a channel that is closed when the child is over: leader and group
// are gone and the output was read.
func (c *Child) Done() <-chan struct{} { return c.done }

// Status returns how the leader ended; call it after Exited or Done was closed.
func (c *Child) Status() Status {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	return c.status
}

func (c *Child) isStopping() bool {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	return c.stopping
}

// Signal sends a signal to the child's process group, or os.ErrProcessDone
// when no process is left.
func (c *Child) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("cannot signal %s: %v is not a signal", c.name, sig)
	}
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	return c.signalLocked(number)
}

func (c *Child) signalLocked(sig syscall.Signal) error {
	leader, group := c.table.leaders[c.pid] == c, c.table.groups[c.pid] == c
	target := -c.pid
	if !c.ownGroup {
		target = c.pid
	}
	if !leader && (!group || !c.ownGroup) {
		return os.ErrProcessDone
	}
	c.killed = c.killed || sig == unix.SIGKILL
	if err := unix.Kill(target, sig); err == unix.ESRCH {
		return os.ErrProcessDone
	} else if err != nil {
		return fmt.Errorf("cannot send %s to %s: %w", signalName(sig), c.name, err)
	}
	return nil
}

// reportSuspension passes on that the leader was suspended.
func (c *Child) reportSuspension() {
	sig := suspendedBy(c.pid)
	if sig == 0 {
		return
	}
	select {
	case c.stopped <- sig:
	default:
	}
}

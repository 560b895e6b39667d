package supervise

import (
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

// Snapshot is what is known about a service at one moment.
type Snapshot struct {
	Name     string
	State    State
	Since    time.Time // of the state
	Pid      int       // 0: no process
	Started  time.Time // of the process
	Restarts int       // so far
	LastExit string    // how its last process ended
	RSS      int64     // resident memory of the process, in bytes
}

// Snapshot returns the services in the order they were given to Run.
func (s *Supervisor) Snapshot() []Snapshot { return s.runners.snapshot() }

type info struct {
	mu    sync.Mutex
	snap  Snapshot
	child *Child
}

func (i *info) set(state State) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.snap.State, i.snap.Since = state, time.Now()
}

func (i *info) started(c *Child, restarts int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.child, i.snap.Pid, i.snap.Started, i.snap.Restarts = c, c.Pid(), c.Started(), restarts
}

func (i *info) ended(status Status) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.child, i.snap.Pid, i.snap.Started, i.snap.LastExit = nil, 0, time.Time{}, status.String()
}

func (i *info) snapshot() Snapshot {
	i.mu.Lock()
	defer i.mu.Unlock()
	snap := i.snap
	if snap.Pid != 0 {
		snap.RSS = procfs.Resident(snap.Pid)
	}
	return snap
}

func (i *info) running() *Child {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.child
}

type runnerList struct {
	mu   sync.Mutex
	list []*runner
}

func (l *runnerList) add(log *slog.Logger, service Service) *runner {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := newRunner(log, service)
	r.info.snap.Name = service.Name
	l.list = append(l.list, r)
	return r
}

func (l *runnerList) all() []*runner {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*runner(nil), l.list...)
}

func (l *runnerList) snapshot() []Snapshot {
	var all []Snapshot
	for _, r := range l.all() {
		all = append(all, r.info.snapshot())
	}
	return all
}

func (l *runnerList) passOn(sig syscall.Signal) {
	for _, r := range l.all() {
		if c := r.info.running(); c != nil && slices.Contains(r.PassOn, sig) {
			if err := c.Signal(sig); err != nil {
				r.log.Debug("signal not passed on", "process", r.Name, "error", err.Error())
			}
		}
	}
}

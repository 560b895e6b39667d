package supervise

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Stop walks the stop steps until the child is over and returns how its leader
// ended. When ctx ends, or when an escalation is asked for (WithEscalation), the next
// step follows at once. A second Stop waits for the first. It takes the sum of the waits, killDelay
// and outputDelay at most.
func (c *Child) Stop(ctx context.Context) Status {
	c.stopOnce.Do(func() { c.walkStop(ctx) })
	<-c.done
	return c.Status()
}

func (c *Child) walkStop(ctx context.Context) {
	began := time.Now()
	c.beginStop()
	escalation := escalationOf(ctx)
	seen := escalation.seen()
	for _, step := range c.steps {
		c.stopSignal(step.Signal)
		timer := time.NewTimer(step.Wait)
		select {
		case <-c.done:
		case <-c.groupGone:
		case <-timer.C:
		case <-ctx.Done():
		case <-escalation.beyond(seen):
			seen++
		}
		timer.Stop()
		if c.gone() {
			return
		}
	}
	c.kill(time.Since(began))
}

func (c *Child) beginStop() {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	c.stopping = true
}

func (c *Child) gone() bool {
	select {
	case <-c.groupGone:
		return true
	case <-c.done:
		return true
	default:
		return false
	}
}

// stopSignal also wakes a stopped group, which could not act otherwise.
func (c *Child) stopSignal(sig syscall.Signal) {
	c.log.Debug("stopping", "process", c.name, "signal", signalName(sig))
	if c.Signal(sig) == nil {
		_ = c.Signal(unix.SIGCONT)
	}
}

func (c *Child) kill(took time.Duration) {
	if len(c.steps) > 0 {
		c.log.Warn("killing a process that did not stop", "process", c.name, "pid", c.pid, "after", took)
	}
	_ = c.Signal(unix.SIGKILL)
	if !c.awaitGroup(killDelay) {
		c.log.Error("a process survived SIGKILL", "process", c.name, "pid", c.pid)
		close(c.givenUp)
	}
}

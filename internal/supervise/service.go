package supervise

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

// Service is a process that should be running as long as its supervisor.
type Service struct {
	Process
	// Restart says whether it is started again when it ended by itself.
	Restart RestartPolicy
	// Critical ends the supervisor when the service has failed for good.
	Critical bool
	// Check is asked before each start whether the process can be started now;
	// nil means yes. Its error is final before the first start, when nothing has
	// worked yet; later it counts as an end of the process.
	Check func(context.Context) error
	// Ready is the readiness probe; nil means that running is ready. It is
	// called again and again while the process lives, also after it passed, and
	// should give up when its context ends.
	Ready func(context.Context) error
	// Replace sends why the process has to be stopped and started again; that counts
	// as an end of the process, and is not done when the budget is used up.
	Replace <-chan error
	// PassOn lists the signals that are sent on to the process group when we get
	// them, such as SIGUSR2. There are none by default: a program that does not
	// expect a signal is ended by it.
	PassOn []syscall.Signal
	// OnState gets every change of state, in order and without overlap, before
	// anything else happens to the service. It should return at once.
	OnState func(State)
	// OnSilence gets how long a process has been running without being ready, what
	// the last probe said and what the process has done meanwhile: after ten seconds, then
	// every thirty. It may be called while another callback is.
	OnSilence func(since time.Duration, reason string)
	// Explain returns why the process ended or could not be started, and what to do, for a
	// line before the one that says that it is started again, or stays down; nil, no fix or
	// the cause of the line before leave it out.
	Explain func(error) (cause, fix string)
	// OnRestart gets why the process is started again, and when.
	OnRestart func(reason error, pause time.Duration)
	// OnExit gets how a process ended that was not stopped, after its last line
	// of output was passed on.
	OnExit func(Status)

	probes *probeTiming // nil: usualProbes
}

// probeTiming says how a service is probed. Tests shorten it.
type probeTiming struct {
	warn     time.Duration // without readiness until that is logged, then three times as long
	fast     time.Duration // pause between probes until the first one passes
	slow     time.Duration // pause between probes of a service that is ready
	limit    time.Duration // for one probe
	failures int           // in a row that end the readiness: one slow answer says little
}

var usualProbes = probeTiming{warn: 10 * time.Second, fast: 100 * time.Millisecond, slow: time.Second, limit: 2 * time.Second, failures: 3}

// readiness is a change of it, with the probe's error when it was lost.
type readiness struct {
	ready bool
	err   error
}

// watchReady reports every change of readiness until ctx ends.
func (s Service) watchReady(ctx context.Context, pid int, changes chan<- readiness) {
	report := func(change readiness) bool {
		select {
		case changes <- change:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if s.Ready == nil {
		report(readiness{ready: true})
		return
	}
	timing := usualProbes
	if s.probes != nil {
		timing = *s.probes
	}
	ready, failures := false, 0
	before, since, warnAfter := procfs.ActivityOf(pid), time.Now(), timing.warn
	for wait := time.Duration(0); pause.For(ctx, wait); wait = timing.pause(ready) {
		err := s.probe(ctx, timing.limit)
		failures++
		if err == nil {
			failures = 0
		}
		now := err == nil || ready && failures < timing.failures
		if now != ready && ctx.Err() == nil && !report(readiness{now, err}) {
			return
		}
		if ready != now || now {
			since, warnAfter = time.Now(), timing.warn
		}
		if ready && !now {
			before = procfs.ActivityOf(pid)
		}
		ready = now
		if silent := time.Since(since); !ready && err != nil && warnAfter > 0 && silent >= warnAfter && ctx.Err() == nil {
			warnAfter = silent + 3*timing.warn
			if s.OnSilence != nil {
				s.OnSilence(silent.Round(time.Second), silence(err, before))
			}
			before = procfs.ActivityOf(pid)
		}
	}
}

func (t probeTiming) pause(ready bool) time.Duration {
	if ready {
		return t.slow
	}
	return t.fast
}

func (s Service) probe(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.Ready(ctx)
}

// StopBudget returns the longest that stopping these services can take: they are
// stopped at the same time, each within the sum of its waits and what a killed
// process needs to disappear. A container's grace period must be larger.
func StopBudget(services []Service) time.Duration {
	var budget time.Duration
	for _, service := range services {
		sum := killDelay + outputDelay
		for _, step := range service.Stop {
			sum += step.Wait
		}
		budget = max(budget, sum)
	}
	return budget
}

// silence says what a probe got and, where that was no answer, what the process did meanwhile.
func silence(err error, before procfs.Activity) string {
	kind, reason := netcause.Of(err)
	if !slices.Contains([]netcause.Kind{netcause.Timeout, netcause.Silent, netcause.Refused}, kind) {
		return reason
	}
	return strings.TrimSuffix(reason+"; "+before.Since(), "; ")
}

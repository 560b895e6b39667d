package supervise

import (
	"context"
	"time"
)

// Service is a process that should be running as long as its supervisor.
type Service struct {
	Process
	// Restart says whether it is started again when it ended by itself.
	Restart RestartPolicy
	// Critical ends the supervisor when the service has failed for good.
	Critical bool
	// Ready is the readiness probe; nil means that running is ready. It is
	// called again and again while the process lives, also after it passed, and
	// should give up when its context ends.
	Ready func(context.Context) error
	// OnState gets every change of state, in order and without overlap, before
	// anything else happens to the service. It should return at once.
	OnState func(State)
	// OnExit gets how a process ended that nobody stopped, after its last line
	// of output was passed on.
	OnExit func(Status)
}

const (
	// probeFast is the pause between probes until the first one passes.
	probeFast = 100 * time.Millisecond
	// probeSlow is the pause between probes of a service that is ready.
	probeSlow = time.Second
	// probeLimit is how long one probe may take.
	probeLimit = 2 * time.Second
	// probeFailures in a row make a ready service one that only runs: a single
	// slow answer says little.
	probeFailures = 3
)

// watchReady sends true when the service becomes ready and false when it no
// longer is, until ctx ends.
func (s Service) watchReady(ctx context.Context, changes chan<- readiness) {
	if s.Ready == nil {
		select {
		case changes <- readiness{ready: true}:
		case <-ctx.Done():
		}
		return
	}
	ready, failures := false, 0
	for {
		err := s.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		failures++
		if err == nil {
			failures = 0
		}
		if now := err == nil || ready && failures < probeFailures; now != ready {
			ready = now
			select {
			case changes <- readiness{ready, err}:
			case <-ctx.Done():
				return
			}
		}
		if !pause(ctx, ready) {
			return
		}
	}
}

type readiness struct {
	ready bool
	err   error
}

func (s Service) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	return s.Ready(ctx)
}

func pause(ctx context.Context, ready bool) bool {
	wait := probeFast
	if ready {
		wait = probeSlow
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// StopBudget is the longest that stopping these services can take: they are
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

package supervise

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// RestartPolicy says whether and when a service whose process ended is started
// again. The zero policy never does.
type RestartPolicy struct {
	// Budget is how many restarts are allowed within Window (default an hour).
	// When it is used up, the service has failed.
	Budget int
	Window time.Duration
	// Delay is the wait before the first restart (default 0.5 s); each further
	// one doubles it up to MaxDelay (default 30 s), give or take a tenth.
	Delay, MaxDelay time.Duration
	// StableAfter is how long a process must have lived for the wait to begin
	// at Delay again (default MaxDelay).
	StableAfter time.Duration
}

func (p RestartPolicy) withDefaults() RestartPolicy {
	setDefault(&p.Window, time.Hour)
	setDefault(&p.Delay, 500*time.Millisecond)
	setDefault(&p.MaxDelay, 30*time.Second)
	setDefault(&p.StableAfter, p.MaxDelay)
	return p
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// restarts applies a RestartPolicy to one service.
type restarts struct {
	policy  RestartPolicy
	backoff *backoff.ExponentialBackOff
	recent  []time.Time // restarts within the window
	total   int
}

func newRestarts(policy RestartPolicy) *restarts {
	policy = policy.withDefaults()
	return &restarts{policy: policy, backoff: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(policy.Delay), backoff.WithMaxInterval(policy.MaxDelay),
		backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0.1), backoff.WithMaxElapsedTime(0))}
}

// next returns how long to wait before the process that ended now, after having
// lived for the given time, is started again, and whether the budget allows it.
func (r *restarts) next(now time.Time, lived time.Duration) (time.Duration, bool) {
	if !r.allowed(now) {
		return 0, false
	}
	if lived >= r.policy.StableAfter {
		r.backoff.Reset()
	}
	r.recent = append(r.recent, now)
	r.total++
	return r.backoff.NextBackOff(), true
}

// allowed reports whether the budget allows a restart now.
func (r *restarts) allowed(now time.Time) bool {
	for len(r.recent) > 0 && now.Sub(r.recent[0]) >= r.policy.Window {
		r.recent = r.recent[1:]
	}
	return r.left() > 0
}

// left returns how many restarts the budget still allows in this window.
func (r *restarts) left() int { return r.policy.Budget - len(r.recent) }

package limits

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	// quietTime is how long further refusals of a network are only counted.
	quietTime = time.Minute
	// mostNamed is how many networks the log names at a time. Others have one line.
	mostNamed = 20
)

// reason is why something was refused or ended, as the log and the metrics say it.
type reason string

const (
	tooManyConnections reason = "connections"
	tooManyRequests    reason = "requests"
	tooManyUploads     reason = "uploads"
	tooManyAnswers     reason = "answers"
	tooSlow            reason = "body_rate"
	tooManyFrames      reason = "frames"
)

// refusals tells the operator who is refused: at once, and then once a minute as
// long as it goes on.
type refusals struct {
	log   *slog.Logger
	quiet time.Duration

	mu    sync.Mutex
	since map[refusal]int // how many since the last line
}

type refusal struct {
	network netip.Prefix
	why     reason
}

// note is called for every refusal.
func (r *refusals) note(network netip.Prefix, why reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := refusal{network, why}
	if _, known := r.since[key]; !known && len(r.since) >= mostNamed {
		key.network = anybody
	}
	if _, known := r.since[key]; known {
		r.since[key]++
		return
	}
	if len(r.since) == 0 {
		r.since = map[refusal]int{}
		time.AfterFunc(r.quiet, r.sum)
	}
	r.since[key] = 0
	r.say(key, 1)
}

// sum says what has been counted, and forgets who has stopped.
func (r *refusals) sum() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, count := range r.since {
		if count == 0 {
			delete(r.since, key)
			continue
		}
		r.since[key] = 0
		r.say(key, count)
	}
	if len(r.since) > 0 {
		time.AfterFunc(r.quiet, r.sum)
	}
}

func (r *refusals) say(key refusal, count int) {
	who := "others"
	if key.network != anybody {
		who = key.network.String()
	}
	r.log.Warn("visitor refused", "network", who, "limit", string(key.why), "count", count)
}

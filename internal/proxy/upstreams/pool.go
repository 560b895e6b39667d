package upstreams

import (
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// pool holds the running probers by their settings, so that handlers which want
// the same share one, and a reload of the configuration does not forget what is
// known.
var pool = caddy.NewUsagePool()

// States returns the state of every upstream that is being probed, in the order
// of their names.
func States() []State {
	var states []State
	for _, p := range probers() {
		states = append(states, p.snapshot.Load().state.now())
	}
	return states
}

// failedFor is how long an upstream is said to have failed after it was last said so:
// longer than a container takes that is restarted and fails again.
const failedFor = time.Minute

// Failed reports whether the upstream does not serve because its last start has failed,
// by its own words.
func Failed(upstream string) bool {
	return slices.ContainsFunc(probers(), func(p *prober) bool {
		now := p.snapshot.Load()
		return p.settings.upstream == upstream && len(now.serving) == 0 && time.Since(now.failed) < failedFor
	})
}

func probers() []*prober {
	var all []*prober
	pool.Range(func(_, value any) bool {
		if p, ok := value.(*prober); ok {
			all = append(all, p)
		}
		return true
	})
	slices.SortFunc(all, func(a, b *prober) int {
		return strings.Compare(a.settings.upstream+a.settings.probe, b.settings.upstream+b.settings.probe)
	})
	return all
}

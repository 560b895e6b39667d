package upstreams

import (
	"slices"
	"strings"

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

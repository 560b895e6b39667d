package upstreams

import (
	"cmp"
	"net/netip"
	"time"
)

// address is what the prober knows about one address of an upstream. Only the
// prober's own goroutine touches it.
type address struct {
	at     netip.AddrPort
	joined int  // the lookup that brought it in: a higher one is newer
	first  bool // it was there when the proxy started

	healthy  bool
	stalled  bool // it left because it was slow, not because it said no
	passes   int  // in a row
	timeouts int  // in a row

	since    time.Time // of the present state
	version  string    // what it said last, like colour
	colour   string
	instance string
	lastPass time.Time
	last     verdict
	use      *use
}

// thresholds are the numbers of probes in a row that change an address's state.
type thresholds struct {
	passes   int // to enter
	timeouts int // to leave
}

// observe takes one verdict and reports whether healthy changed.
//
// An address that answers "no", or refuses, is out at once: the service itself
// says so, and every request sent there until the next probe would be lost. One
// that is slow stays for a while, because an overloaded service times out its
// probe first, and taking it out then turns slowness into an outage.
func (a *address) observe(v verdict, limit thresholds) (changed bool) {
	was := a.healthy
	a.last = v
	a.instance = cmp.Or(v.instance, a.instance)
	if v.version != "" || v.outcome == passed {
		a.version, a.colour = v.version, v.colour
	}
	switch v.outcome {
	case passed:
		a.timeouts = 0
		a.passes++
		a.lastPass = v.started
		a.healthy = a.healthy || a.passes >= a.passesToEnter(limit)
		a.stalled = a.stalled && !a.healthy
	case failed:
		a.passes, a.timeouts = 0, 0
		a.healthy, a.stalled = false, false
	case timedOut:
		a.passes = 0
		a.timeouts++
		if a.healthy && a.timeouts >= limit.timeouts {
			a.healthy, a.stalled = false, true
		}
	}
	if v.outcome != passed {
		a.first = false
	}
	if a.healthy != was {
		a.since = v.started.Add(v.took)
	}
	return a.healthy != was
}

// isAnother reports whether another container than before has answered: the engine gives
// an address away again at once, maybe between two lookups.
func (a *address) isAnother(v verdict) bool {
	return v.instance != "" && a.instance != "" && v.instance != a.instance
}

// passesToEnter returns one for an address that was there when the proxy started: it
// has been serving, and nobody saw it boot.
func (a *address) passesToEnter(limit thresholds) int {
	if a.first {
		return 1
	}
	return limit.passes
}

// warming returns since when an address warms up; the zero time if it does not.
func (a *address) warming(now time.Time) time.Time {
	if a.first || now.Sub(a.since) >= warmUp {
		return time.Time{}
	}
	return a.since
}

// newer orders addresses by age, the newest first. The order never depends on
// health, so that an old colour that comes back does not overtake the new one.
func newer(a, b *address) int {
	return cmp.Or(
		cmp.Compare(b.joined, a.joined),
		b.last.boot.Compare(a.last.boot),
		a.at.Compare(b.at),
	)
}

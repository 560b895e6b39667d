package upstreams

import (
	"net/netip"
	"slices"
)

// release is what equals have in common: addresses of one release share the
// requests. An address that tells no version is a release of its own.
type release struct {
	version, colour string
	at              netip.AddrPort
}

// namesNoVersion are the versions that builds of different content have in common.
var namesNoVersion = []string{"", "dev", "latest"}

func (a *address) release() release {
	if slices.Contains(namesNoVersion, a.version) {
		return release{at: a.at}
	}
	return release{version: a.version, colour: a.colour}
}

// rank orders addresses by the age of their release, and those of one release by
// their own, the newest first.
//
// A release is as old as its oldest address: one of the old release that has to be
// replaced during a rollout does not bring the old release back to the front.
func rank(all []*address) {
	slices.SortFunc(all, newer)
	oldest := make(map[release]*address)
	for _, a := range all {
		oldest[a.release()] = a
	}
	slices.SortStableFunc(all, func(a, b *address) int { return newer(oldest[a.release()], oldest[b.release()]) })
}

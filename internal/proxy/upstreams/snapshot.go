package upstreams

import (
	"net/netip"
	"time"
)

// snapshot is what a request sees of an upstream. It never changes: the prober
// replaces it, and closes changed of the one it replaced.
type snapshot struct {
	serving    []serving // those of the newest release first
	lastResort bool      // those that serve are only slow
	state      State
	view       View
	failed     time.Time // when the service last said that its start has failed
	changed    chan struct{}
}

// serving is an address that requests may be sent to.
type serving struct {
	at      netip.AddrPort
	dial    string
	release release
	since   time.Time // when it became healthy
	warming time.Time // the same while it warms up, or zero
	passed  time.Time // when the last probe that it passed began
	use     *use
}

// State is what is known of an upstream at one moment, for people and programs:
// the proxy shows it at its deep health route.
type State struct {
	Upstream  string         `json:"upstream"`            // as configured, like platform:3000
	Available bool           `json:"available"`           // at least one address takes requests
	Since     time.Time      `json:"since"`               // of Available
	Resolver  string         `json:"resolver,omitempty"`  // why the name cannot be resolved, if it cannot
	Addresses []AddressState `json:"addresses,omitempty"` // those of the newest release first
}

// AddressState is what is known of one address of an upstream.
type AddressState struct {
	Address string    `json:"address"`           // host:port that requests go to
	Healthy bool      `json:"healthy"`           // it passed its probes
	Serving bool      `json:"serving"`           // requests may be sent to it
	First   bool      `json:"first"`             // new requests are sent to it
	Gone    bool      `json:"gone,omitempty"`    // the name does not list it any more
	Version string    `json:"version,omitempty"` // of the service, if it says so
	Since   time.Time `json:"since"`             // of Healthy
	Probed  time.Time `json:"probed,omitzero"`   // when its last probe began
	Took    float64   `json:"took_seconds"`      // how long that probe took
	Reason  string    `json:"reason,omitempty"`  // why that probe did not pass

	// What is under way: requests, and sockets that are open.
	Requests int64 `json:"requests"`
	Sockets  int64 `json:"sockets"`
	// How many of both it was given since the proxy knows it.
	Offered int64 `json:"offered"`
	use     *use
}

// Role returns what the address is for, in one word.
func (a AddressState) Role() string {
	switch {
	case a.First:
		return "first"
	case a.Serving:
		return "fallback"
	case a.Gone:
		return "draining"
	case a.Healthy:
		return "healthy"
	}
	return "unhealthy"
}

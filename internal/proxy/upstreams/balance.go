package upstreams

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	// warmUp is how long the share of an address grows that became healthy: a
	// JavaScript server compiles what is asked of it and opens its connections in its
	// first seconds, and answers many times slower meanwhile.
	warmUp = 10 * time.Second
	// leastShare is what it begins with, of what it will have: enough to warm up by.
	leastShare = 0.1
)

// balancer gives each request to the address with the fewest under way.
type balancer struct {
	mu   sync.Mutex // makes choosing and counting one step
	turn int
}

// assign returns the address that a request gets, of addresses that are equals, and
// counts it there. Requests are compared with requests and sockets with sockets: a
// socket is open for hours and mostly idle, and says nothing about requests.
func (b *balancer) assign(r *http.Request, equals []serving) serving {
	u := usingOf(r)
	if len(equals) == 1 {
		u.move(equals[0].use)
		return equals[0]
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn++
	one := equals[choose(equals, u.socket, b.turn, time.Now, rand.Float64)]
	u.move(one.use)
	return one
}

// choose returns the position of the address with the fewest under way, in turn where
// several have as few. One that warms up takes part now and then, and counts what it
// has as more: the first holds where little is under way, the second where much is.
func choose(equals []serving, socket bool, turn int, now func() time.Time, chance func() float64) int {
	const notAsked = 1e9 // behind every one that takes part
	best, least := 0, 0.0
	for i := range equals {
		at := (turn + i) % len(equals)
		load := float64(equals[at].use.of(socket))
		if share := equals[at].share(now); share < 1 {
			load /= share
			if chance() >= share {
				load += notAsked
			}
		}
		if i == 0 || load < least {
			best, least = at, load
		}
	}
	return best
}

// share returns how much of its part of the requests an address gets.
func (s serving) share(now func() time.Time) float64 {
	if s.warming.IsZero() {
		return 1
	}
	return min(max(float64(now().Sub(s.warming))/float64(warmUp), leastShare), 1)
}

// equals returns the addresses that a request may be given to: those of the first
// release that has one which did not fail it, or else of the first.
func (a attempts) equals(list []serving) []serving {
	if len(a) > 0 {
		untried := make([]serving, 0, len(list))
		for _, s := range list {
			if !a.failed(s) {
				untried = append(untried, s)
			}
		}
		if len(untried) > 0 {
			list = untried
		}
	}
	return newest(list)
}

// newest returns the addresses of the first release.
func newest(list []serving) []serving {
	n := 0
	for n < len(list) && list[n].release == list[0].release {
		n++
	}
	return list[:n]
}

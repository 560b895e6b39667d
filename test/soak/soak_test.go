package soak

import (
	"context"
	"sync"
	"testing"
	"time"
)

const (
	// sampled is how often the proxy is looked at.
	sampled = 5 * time.Second
	// swapped is how often one colour replaces the other.
	swapped = 10 * time.Second
	// outage is how long there is none, every third time.
	outage = 3 * time.Second
	// restLimit is how long it may take until nothing is left of the traffic:
	// connections to the backend are kept for a minute.
	restLimit = 90 * time.Second
)

func TestNothingGrows(t *testing.T) {
	site := newSite(t)
	p := startProxy(t, site)
	site.await(p)
	before := p.sample(t)
	ctx, stop := context.WithTimeout(t.Context(), *duration)
	defer stop()
	var all sync.WaitGroup
	v := newVisitors(t, p)
	all.Go(func() { v.request(ctx) })
	for range *socketCount {
		all.Go(func() { v.useSockets(ctx) })
	}
	for range *streams {
		all.Go(func() { v.watchEvents(ctx) })
	}
	all.Go(func() { site.swapColours(ctx) })
	samples := p.watch(ctx, t)
	all.Wait()
	v.finish()
	t.Logf("%d requests, of which %d met the maintenance page; %d sockets; %d event streams", v.answered.Load(), v.maintenance.Load(), v.sockets.Load(), v.events.Load())
	if v.answered.Load() == 0 || v.sockets.Load() == 0 || v.events.Load() == 0 {
		t.Error("some of the traffic did not happen")
	}
	if n := len(samples); n > 0 && *duration > time.Minute && samples[n-1].assets < assetsLimit>>20*3/4 {
		t.Errorf("the store of assets was not filled: %v", samples[n-1])
	}
	checkGrowth(t, samples)
	checkRest(t, p, before)
}

// checkGrowth compares the last quarter with the second: the first is for pools
// and caches to fill. A short run has no quarters.
func checkGrowth(t *testing.T, samples []sample) {
	quarter := len(samples) / 4
	if quarter < 3 {
		return
	}
	early, late := samples[quarter:2*quarter], samples[len(samples)-quarter:]
	for _, m := range measures {
		was, is := median(early, m.of), median(late, m.of)
		t.Logf("%s: %.0f in the second quarter, %.0f in the last", m.name, was, is)
		if is > was*1.2+m.slack {
			t.Errorf("%s grew from %.0f to %.0f", m.name, was, is)
		}
	}
}

// checkRest waits until the proxy holds about what it held before.
func checkRest(t *testing.T, p *proxyProcess, before sample) {
	patience := min(restLimit, 15*time.Second+*duration)
	var now sample
	for deadline := time.Now().Add(patience); ; {
		now = p.sample(t)
		if now.tunnels == 0 && now.goroutines <= before.goroutines+60 && now.files <= before.files+30 {
			t.Logf("before: %v; afterwards: %v", before, now)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("something is left of the traffic: before %v, afterwards %v", before, now)
		}
		<-time.After(200 * time.Millisecond)
	}
}

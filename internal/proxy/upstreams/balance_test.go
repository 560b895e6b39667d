package upstreams

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// anyProber returns one that knows up to seven addresses, in any state.
func anyProber(chance *rand.Rand) *prober {
	pick := func(of ...string) string { return of[chance.IntN(len(of))] }
	p := &prober{log: slog.New(slog.DiscardHandler), watched: map[netip.AddrPort]*watch{}, firstRound: make(chan struct{}), client: &probeClient{}}
	p.snapshot.Store(&snapshot{changed: make(chan struct{})})
	for i := range 1 + chance.IntN(7) {
		a := address{
			at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 3000), joined: chance.IntN(4), first: chance.IntN(2) == 0,
			version: pick("", "dev", "1", "1", "2", "2", "3"), colour: pick("", "", "blue", "green"), since: time.Now().Add(-time.Hour), use: new(use),
			last: verdict{started: time.Now(), boot: time.Time{}.Add(time.Duration(chance.IntN(3)))},
		}
		if a.healthy = chance.IntN(3) > 0; !a.healthy {
			a.stalled = chance.IntN(3) == 0
		}
		a.use.requests.Store(chance.Int64N(8))
		a.use.sockets.Store(chance.Int64N(8))
		p.watched[a.at] = &watch{address: a}
	}
	p.publish()
	return p
}

// chosen returns the address that a new request gets, or nil.
func (p *prober) chosen(t *testing.T, header http.Header, failed ...*address) *address {
	t.Helper()
	r, _ := request(t.Context())
	r.Header = header
	for _, a := range failed {
		record(r, time.Now())[a.at.String()] = time.Now()
	}
	list, err := (&Source{prober: p}).GetUpstreams(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		return nil
	}
	return &p.watched[netip.MustParseAddrPort(list[0].Dial)].address
}

// joinedFirst returns when the release of an address was first seen.
func (p *prober) joinedFirst(a *address) int {
	first := a.joined
	for _, w := range p.watched {
		if w.release() == a.release() {
			first = min(first, w.joined)
		}
	}
	return first
}

func TestTheChoiceInAnyState(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		p := anyProber(chance)
		var healthy []*address
		for _, w := range p.watched {
			if w.healthy {
				healthy = append(healthy, &w.address)
			}
		}
		one := p.chosen(t, nil)
		switch {
		case len(healthy) == 0 && one == nil:
			if slices.ContainsFunc(p.known(), func(a *address) bool { return a.stalled }) {
				t.Fatal("nothing is chosen although one is only slow")
			}
			continue
		case one == nil || one.healthy != (len(healthy) > 0) || !one.healthy && !one.stalled:
			t.Fatalf("%d are healthy, and %+v is chosen", len(healthy), one)
		case !one.healthy:
			continue
		}
		for _, other := range healthy {
			if p.joinedFirst(other) > p.joinedFirst(one) {
				t.Fatalf("%v is chosen although the release of %v is newer", one, other)
			}
			if other.release() == one.release() && other.use.requests.Load() < one.use.requests.Load()-1 {
				t.Fatalf("%v is chosen although %v has less under way", one, other)
			}
		}
		if again := p.chosen(t, nil, one); len(healthy) > 1 && again == one {
			t.Fatalf("%v is chosen again by a request that it failed", one)
		}
	}
}

func TestEqualsHaveTheSameUnderWay(t *testing.T) {
	chance := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		p, sockets := anyProber(chance), chance.IntN(2) == 0
		header := http.Header{}
		if sockets {
			header.Set("Upgrade", "websocket")
		}
		most := int64(0)
		for _, w := range p.watched {
			w.healthy, w.version, w.colour = true, "1", ""
			most = max(most, w.use.of(sockets))
		}
		p.publish()
		var visitors sync.WaitGroup
		for range 4 {
			visitors.Go(func() {
				for range int(most)*len(p.watched)/4 + 3 { // at least what evens them out
					p.chosen(t, header)
				}
			})
		}
		visitors.Wait()
		var under []int64
		for _, w := range p.watched {
			under = append(under, w.use.of(sockets))
		}
		if slices.Max(under)-slices.Min(under) > 1 {
			t.Fatalf("equals have %v under way", under)
		}
	}
}

// Requests that come one after the other meet addresses that all have nothing to do.
func TestIdleEqualsTakeTurns(t *testing.T) {
	equals := []serving{{use: new(use)}, {use: new(use)}, {use: new(use)}}
	got := map[int]int{}
	for turn := range 300 {
		got[choose(equals, false, turn, time.Now, rand.Float64)]++
	}
	if got[0] != 100 || got[1] != 100 || got[2] != 100 {
		t.Errorf("they got %v", got)
	}
}

func TestAShareGrowsWhileAnAddressWarmsUp(t *testing.T) {
	chance, began := rand.New(rand.NewPCG(5, 6)), time.Now()
	equals := []serving{{use: new(use), warming: began}, {use: new(use)}, {use: new(use)}}
	for _, under := range []int64{0, 200} { // is under way at the two that are warm
		equals[1].use.requests.Store(under)
		equals[2].use.requests.Store(under)
		last := -1.0
		for _, age := range []time.Duration{0, warmUp / 4, warmUp / 2, warmUp * 3 / 4, warmUp} {
			part := partOf(equals, began.Add(age), chance)
			if most := float64(age)/float64(warmUp) + leastShare; part <= last || part > most*1.2 {
				t.Errorf("%v after it came, with %d under way at the others, it gets %.2f of the requests, %.2f before", age, under, part, last)
			}
			last = part
		}
	}
	equals[0].use.requests.Store(120) // of the 200 that the others have
	if part := partOf(equals, began.Add(warmUp/2), chance); part != 0 {
		t.Errorf("one that is half warm and has more than half of what the others have gets %.2f more", part)
	}
	alike := []serving{{use: new(use), warming: began}, {use: new(use), warming: began}}
	if part := partOf(alike, began, chance); part < 0.45 || part > 0.55 {
		t.Errorf("one of two that warm up gets %.2f", part)
	}
}

// partOf returns how much of many requests goes to the first.
func partOf(equals []serving, now time.Time, chance *rand.Rand) float64 {
	const asked = 20_000
	got := 0
	for turn := range asked {
		if choose(equals, false, turn, func() time.Time { return now }, chance.Float64) == 0 {
			got++
		}
	}
	return float64(got) / asked
}

func TestWhoWarmsUp(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name    string
		address address
		warms   bool
	}{
		{"it was there when the proxy started", address{first: true, since: now}, false},
		{"it came", address{since: now}, true},
		{"it came long ago", address{since: now.Add(-warmUp)}, false},
	} {
		if since := tt.address.warming(now); since.IsZero() == tt.warms {
			t.Errorf("%s: it warms up since %v", tt.name, since)
		}
	}
}

// versioned makes a service tell a version at its health route, as the entrypoint's
// status port does.
func (s *stage) versioned(t *testing.T, name, ip, version, colour string, handler http.Handler) *upstreamstest.Service {
	service := upstreamstest.NewService(t, name, ip, s.port, handler)
	service.SetHealthHeader(http.Header{health.VersionHeader: {version}, health.ColourHeader: {colour}})
	return service
}

func firsts() (addresses []string) {
	for _, a := range States()[0].Addresses {
		if a.First {
			addresses = append(addresses, a.Address)
		}
	}
	return addresses
}

func TestAddressesOfOneVersionShareTheRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		blue, green [2]string
		equals      bool
	}{
		"one version":            {[2]string{"1.2", ""}, [2]string{"1.2", ""}, true},
		"one version and colour": {[2]string{"1.2", "blue"}, [2]string{"1.2", "blue"}, true},
		"two colours":            {[2]string{"1.2", "blue"}, [2]string{"1.2", "green"}, false},
		"two versions":           {[2]string{"1.2", ""}, [2]string{"1.3", ""}, false},
		"no version":             {[2]string{}, [2]string{}, false},
		"unnamed builds":         {[2]string{"dev", ""}, [2]string{"dev", ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			stage := newStage(t)
			blue := stage.versioned(t, "blue", blueIP, tt.blue[0], tt.blue[1], nil)
			green := stage.versioned(t, "green", greenIP, tt.green[0], tt.green[1], nil)
			stage.dns.Set(alias, blueIP)
			url := runProxy(t, stage.source())
			stage.dns.Set(alias, blueIP, greenIP)
			testkit.Eventually(t, "green serves", func() bool { return slices.Contains(firsts(), green.Addr()) })
			if n := len(firsts()); n != map[bool]int{true: 2, false: 1}[tt.equals] {
				t.Errorf("requests go to %d addresses", n)
			}
			before := blue.Requests()
			for range 200 {
				if err := ask200(url); err != nil {
					t.Fatal(err)
				}
			}
			if got := blue.Requests() - before; (got > 0) != tt.equals {
				t.Errorf("the older address got %d of 200 requests", got)
			}
		})
	}
}

func ask200(url string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %q: %w", response.Status, text, err)
	}
	return nil
}

// An address of the old release that has to be replaced does not make it the newest.
func TestTheOldReleaseDoesNotComeBackToTheFront(t *testing.T) {
	at := func(n byte) netip.AddrPort { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 1) }
	old, replaced := &address{at: at(1), joined: 1, version: "1"}, &address{at: at(3), joined: 3, version: "1"}
	next := &address{at: at(2), joined: 2, version: "2"}
	all := []*address{replaced, next, old}
	rank(all)
	if want := []*address{next, replaced, old}; !slices.Equal(all, want) {
		t.Errorf("got %v, %v, %v", all[0].at, all[1].at, all[2].at)
	}
}

func TestEqualsThatAreAllSlowStayTogether(t *testing.T) {
	stage := newStage(t)
	blue, green := stage.versioned(t, "blue", blueIP, "1", "", nil), stage.versioned(t, "green", greenIP, "1", "", nil)
	stage.dns.Set(alias, blueIP, greenIP)
	source := provision(t, stage.source())
	testkit.Eventually(t, "both serve", func() bool { return len(firsts()) == 2 })
	blue.SetHealth(0)
	green.SetHealth(0)
	testkit.Eventually(t, "none is healthy", func() bool {
		return !slices.ContainsFunc(States()[0].Addresses, func(a AddressState) bool { return a.Healthy })
	})
	got := map[string]bool{}
	for range 10 {
		ctx, leave := context.WithCancel(t.Context())
		r, _ := request(ctx)
		got[dialsFor(t, source, r)[0]] = true
		leave()
	}
	if len(got) != 2 || len(firsts()) != 2 {
		t.Errorf("requests go to %v", got)
	}
}

package upstreams

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

var testLimit = thresholds{passes: 2, timeouts: 3}

func TestAddressChangesStateOnlyByItsThresholds(t *testing.T) {
	const (
		P = passed
		F = failed
		T = timedOut
	)
	tests := []struct {
		name    string
		first   bool
		probes  []outcome
		healthy []bool
	}{
		{"two passes enter", false, []outcome{P, P}, []bool{false, true}},
		{"one pass enters at the start", true, []outcome{P}, []bool{true}},
		{"a failure at the start costs the privilege", true, []outcome{F, P, P}, []bool{false, false, true}},
		{"a timeout at the start costs the privilege", true, []outcome{T, P, P}, []bool{false, false, true}},
		{"passes must be in a row", false, []outcome{P, F, P, P}, []bool{false, false, false, true}},
		{"a timeout breaks the row of passes", false, []outcome{P, T, P, P}, []bool{false, false, false, true}},
		{"one failure is enough to leave", true, []outcome{P, F}, []bool{true, false}},
		{"two passes are needed to come back", true, []outcome{P, F, P, P}, []bool{true, false, false, true}},
		{"three timeouts leave", true, []outcome{P, T, T, T}, []bool{true, true, true, false}},
		{"timeouts must be in a row", true, []outcome{P, T, T, P, T, T}, []bool{true, true, true, true, true, true}},
		{"a failure after timeouts leaves", true, []outcome{P, T, F}, []bool{true, true, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := address{first: tt.first}
			for i, o := range tt.probes {
				before := a.healthy
				changed := a.observe(verdict{outcome: o, started: time.Now()}, testLimit)
				if a.healthy != tt.healthy[i] {
					t.Fatalf("after %v: healthy is %v", tt.probes[:i+1], a.healthy)
				}
				if changed != (before != a.healthy) {
					t.Fatalf("after %v: changed is %v", tt.probes[:i+1], changed)
				}
			}
		})
	}
}

func TestOnlySlownessMakesAnAddressTheLastResort(t *testing.T) {
	a := address{first: true}
	for _, o := range []outcome{passed, timedOut, timedOut, timedOut} {
		a.observe(verdict{outcome: o}, testLimit)
	}
	if a.healthy || !a.stalled {
		t.Fatalf("after three timeouts: healthy %v, stalled %v", a.healthy, a.stalled)
	}
	a.observe(verdict{outcome: failed}, testLimit)
	if a.stalled {
		t.Fatal("still kept after it said no")
	}
}

func TestNewestAddressIsFirst(t *testing.T) {
	at := func(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	old := &address{at: at("10.0.0.9:1"), joined: 1}
	late := &address{at: at("10.0.0.8:1"), joined: 2}
	bootedEarly := &address{at: at("10.0.0.1:1"), joined: 1, last: verdict{boot: noon}}
	bootedLate := &address{at: at("10.0.0.2:1"), joined: 1, last: verdict{boot: noon.Add(time.Hour)}}
	all := []*address{old, bootedEarly, late, bootedLate}
	slices.SortFunc(all, newer)
	if want := []*address{late, bootedLate, bootedEarly, old}; !slices.Equal(all, want) {
		t.Fatalf("got %v %v %v %v", all[0].at, all[1].at, all[2].at, all[3].at)
	}
}

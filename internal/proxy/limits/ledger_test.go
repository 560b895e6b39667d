package limits

import (
	"net/netip"
	"testing"
)

func network(n int) netip.Prefix {
	return networkOf(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})) //nolint:gosec // a test has no more
}

func TestGreedyNetworksLeaveRoomForOthers(t *testing.T) {
	const room = 1000
	for greedy := 1; greedy <= 20; greedy++ {
		l := &ledger{room: room}
		for range room {
			for n := range greedy {
				l.take(network(n))
			}
		}
		left := room - l.count()
		if least := room / (greedy + 1); left < least || left > least+greedy {
			t.Errorf("%d greedy networks leave %d, want about %d", greedy, left, least)
		}
		for n := range left - 1 {
			if ok, _ := l.take(network(greedy + n)); !ok {
				t.Errorf("beside %d greedy networks, number %d of %d others is refused", greedy, n, left)
			}
		}
	}
}

func TestTheFixedLimitOfANetwork(t *testing.T) {
	l := &ledger{most: 3}
	for n := range 5 {
		if ok, _ := l.take(network(1)); ok != (n < 3) {
			t.Errorf("number %d: %v", n, ok)
		}
	}
	if ok, _ := l.take(network(2)); !ok {
		t.Error("another network is refused")
	}
	l.give(network(1))
	if ok, _ := l.take(network(1)); !ok {
		t.Error("what was given back is not there")
	}
	for range 100 {
		if ok, _ := l.take(anybody); !ok {
			t.Fatal("trusted peers have a limit")
		}
	}
}

func TestTheLongestIdleMakesRoom(t *testing.T) {
	l := &ledger{room: 4}
	for n := range 4 {
		l.take(network(n))
	}
	if ok, _ := l.take(network(9)); ok {
		t.Fatal("there is no room, and nothing is idle")
	}
	l.rest("first")
	mark := l.rest("woken")
	l.rest("second")
	l.wake(mark)
	for n, want := range []string{"first", "second"} {
		ok, victim := l.take(network(10 + n))
		if !ok || victim != want {
			t.Errorf("took %v in exchange for %v, want %s", ok, victim, want)
		}
		l.give(network(n))
	}
	if ok, victim := l.take(network(8)); ok || victim != nil {
		t.Errorf("took %v in exchange for %v, and nothing is idle", ok, victim)
	}
	l.wake(mark) // that something is idle no longer is no news twice
}

func TestNetworksThatHoldNothingAreForgotten(t *testing.T) {
	l := &ledger{}
	for n := range 1000 {
		l.take(network(n))
		l.give(network(n))
	}
	if len(l.held) != 0 || l.count() != 0 {
		t.Errorf("%d networks hold %d", len(l.held), l.count())
	}
}

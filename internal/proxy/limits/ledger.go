package limits

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
)

// ledger counts what networks hold of one thing.
//
// A network may hold as much as is free, so that one of them can take half of the
// room, two of them a third each, and n greedy ones always leave 1/(n+1) for the
// others. What is idle counts as free.
type ledger struct {
	most int // that one network may hold; 0: no limit
	room int // in all; 0: no limit

	mu    sync.Mutex
	held  map[netip.Prefix]int
	total int
	idle  list.List     // of what may be given up, the longest idle first
	freed chan struct{} // closed when one was given back; nil: nobody waits
	waits int           // how many do
}

// anybody is the network of those who are not counted by themselves: they only
// need room.
var anybody netip.Prefix

// take gives a network one more. The victim, if there is one, must go in exchange.
func (l *ledger) take(network netip.Prefix) (ok bool, victim any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.admit(network)
}

// wait gives a network one more as soon as it may have it, and reports whether that was
// before the end of ctx. What waits holds something, too: as many wait as there is room for.
func (l *ledger) wait(ctx context.Context, network netip.Prefix) bool {
	ok, freed := l.takeOrWait(network, 1)
	if freed == nil {
		return ok
	}
	defer l.leave()
	for {
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
		if ok, freed = l.takeOrWait(network, 0); ok {
			return true
		}
	}
}

func (l *ledger) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits--
}

// takeOrWait gives a network one more, or returns what is closed when one was given back;
// nil if too many wait for that with those that come.
func (l *ledger) takeOrWait(network netip.Prefix, come int) (ok bool, freed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok, _ := l.admit(network); ok {
		return true, nil
	}
	if l.room > 0 && l.waits+come > l.room {
		return false, nil
	}
	l.waits += come
	if l.freed == nil {
		l.freed = make(chan struct{})
	}
	return false, l.freed
}

func (l *ledger) admit(network netip.Prefix) (ok bool, victim any) {
	if network != anybody && !l.allows(network) {
		return false, nil
	}
	if l.room > 0 && l.total >= l.room {
		if longest := l.idle.Front(); longest != nil {
			victim = l.idle.Remove(longest)
		}
	}
	if l.held == nil {
		l.held = map[netip.Prefix]int{}
	}
	l.held[network]++
	l.total++
	return true, victim
}

func (l *ledger) allows(network netip.Prefix) bool {
	own := l.held[network]
	if l.most > 0 && own >= l.most {
		return false
	}
	return l.room == 0 || own < l.room-l.total+l.idle.Len()
}

// give takes one back.
func (l *ledger) give(network netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.held[network]--; l.held[network] <= 0 {
		delete(l.held, network)
	}
	if l.freed != nil {
		close(l.freed)
		l.freed = nil
	}
}

// rest notes that c is idle; the mark is for wake.
func (l *ledger) rest(c any) *list.Element {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle.PushBack(c)
}

// wake notes that what has the mark is no longer idle.
func (l *ledger) wake(mark *list.Element) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle.Remove(mark) // does nothing if it was given up
}

// of returns how many a network holds.
func (l *ledger) of(network netip.Prefix) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[network]
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

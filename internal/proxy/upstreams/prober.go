package upstreams

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// hasteDivisor is how much faster than usual an upstream is looked at while it
// has no address that serves: clients are waiting for it.
const hasteDivisor = 4

// probeSpacing is the least time between the starts of two probes of one
// address, and of two lookups of one name, however many requests ask for them.
const probeSpacing = 50 * time.Millisecond

// remindEvery is how often an upstream that stays away is told of again.
const remindEvery = 3 * time.Minute

// firstReminder is how much earlier that is for the first time: what keeps a service away
// is seldom what its first probe met, when everything starts at once.
const firstReminder = 6

// settings is everything that makes two probers the same one. It is the key of
// the pool, so it must stay comparable.
type settings struct {
	upstream string
	probe    string
	fallback string
	host     string
	resolver string
	interval time.Duration
	timeout  time.Duration
	setting  string
	remind   time.Duration
	limit    thresholds
}

// prober watches one upstream from its creation until Destruct: one goroutine
// resolves the name, one per address probes it, and one owns what they learn.
type prober struct {
	settings settings
	log      *slog.Logger
	resolver *resolver
	client   *probeClient
	fallback *probeClient // nil: none
	counters counters
	balancer balancer

	snapshot   atomic.Pointer[snapshot]
	firstRound chan struct{} // closed when the first round is over

	stop      context.CancelFunc
	running   sync.WaitGroup
	lookups   chan lookup
	results   chan result
	refreshes chan struct{} // asks for probes and a lookup now
	wake      chan struct{} // asks for a lookup now

	// Owned by the goroutine of run.
	watched    map[netip.AddrPort]*watch
	departed   []*address // that are still in use, the last first
	generation int
	resolveErr error
	failed     time.Time // when the service last said that its start has failed
}

// watch is an address and the goroutine that probes it.
type watch struct {
	address
	wake   chan struct{} // asks for a probe now
	cancel context.CancelFunc
}

type lookup struct {
	addrs []netip.AddrPort
	err   error
}

type result struct {
	at      netip.AddrPort
	verdict verdict
}

// newProber starts to watch an upstream.
func newProber(s settings, log *slog.Logger) (*prober, error) {
	host, port, err := splitUpstream(s.upstream)
	if err != nil {
		return nil, err
	}
	t, err := parseTarget(s.probe)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &prober{
		settings:   s,
		log:        log.With("upstream", s.upstream),
		resolver:   newResolver(host, port, s.resolver),
		client:     newProbeClient(t, s.host, s.timeout),
		firstRound: make(chan struct{}),
		stop:       cancel,
		lookups:    make(chan lookup),
		results:    make(chan result),
		refreshes:  make(chan struct{}, 1),
		wake:       make(chan struct{}, 1),
		watched:    make(map[netip.AddrPort]*watch),
	}
	if s.fallback != "" {
		t, err := parseTarget(s.fallback)
		if err != nil {
			return nil, err
		}
		p.fallback = newProbeClient(t, s.host, s.timeout)
	}
	p.snapshot.Store(&snapshot{
		state:   State{Upstream: s.upstream, Since: time.Now()},
		changed: make(chan struct{}),
	})
	p.running.Go(func() { p.run(ctx) })
	p.running.Go(func() { p.resolve(ctx) })
	return p, nil
}

// Destruct ends every goroutine of the prober. The pool calls it when the last
// handler that uses the prober is gone.
func (p *prober) Destruct() error {
	p.stop()
	p.running.Wait()
	return nil
}

// refresh asks for a probe of every address and for a lookup, now. It never blocks;
// asking again before that happened changes nothing.
func (p *prober) refresh() { notify(p.refreshes) }

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pace returns the time between two looks at the upstream.
func (p *prober) pace() time.Duration {
	if len(p.snapshot.Load().serving) == 0 {
		return max(p.settings.interval/hasteDivisor, probeSpacing)
	}
	return p.settings.interval
}

// pause waits for the next look: the pace, or less if somebody asks.
func (p *prober) pause(ctx context.Context, began time.Time, wake <-chan struct{}) {
	timer := time.NewTimer(p.pace())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return
	case <-timer.C:
		return
	case <-wake:
	}
	timer.Reset(time.Until(began.Add(probeSpacing)))
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// resolve looks the name up until ctx ends.
func (p *prober) resolve(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		addrs, err := p.resolver.lookup(ctx)
		if !send(ctx, p.lookups, lookup{addrs, err}) || p.resolver.static() {
			return
		}
		p.pause(ctx, began, p.wake)
	}
}

// probe asks one address for its health until ctx ends.
func (p *prober) probe(ctx context.Context, at netip.AddrPort, wake <-chan struct{}) {
	ask := p.asker(at)
	for ctx.Err() == nil {
		v := ask(ctx)
		if !send(ctx, p.results, result{at, v}) {
			return
		}
		p.pause(ctx, v.started, wake)
	}
}

// asker returns a probe of one address. It asks the fallback for as long as nothing
// has ever listened on the probe's own port; a service that had it and lost it is on
// its way out.
func (p *prober) asker(at netip.AddrPort) func(context.Context) verdict {
	listened, said, reached := p.fallback == nil, false, false
	return func(ctx context.Context) verdict {
		v := p.client.probe(ctx, at)
		if v.outcome == passed && !reached {
			v = p.client.reach(ctx, at, v)
			reached = v.outcome == passed
		}
		if listened = listened || !v.refused; listened {
			return v
		}
		if v = p.fallback.probe(ctx, at); v.outcome == passed && !said {
			said = true
			p.log.Info("nothing listens on the probe's port; another answer counts", "address", at.String(),
				"probe", p.client.target.url(at), "instead", p.fallback.target.url(at))
		}
		return v
	}
}

func send[T any](ctx context.Context, c chan<- T, v T) bool {
	select {
	case c <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// run owns the state: it takes what the others learn and publishes it.
func (p *prober) run(ctx context.Context) {
	reminder := time.NewTicker(p.settings.remind / firstReminder)
	defer reminder.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-reminder.C:
			p.remind()
			reminder.Reset(p.settings.remind)
		case l := <-p.lookups:
			p.resolved(ctx, l)
		case r := <-p.results:
			p.probed(r)
		case <-p.refreshes:
			p.hurry()
		}
	}
}

// resolved takes the answer to a lookup. An error leaves the addresses as they
// were; an answer without an address removes it, because a container that left
// the name is one that must not get requests any more.
func (p *prober) resolved(ctx context.Context, l lookup) {
	p.logLookup(l.err)
	p.resolveErr = l.err
	if l.err == nil {
		p.generation++
		for _, w := range p.watched {
			if !slices.Contains(l.addrs, w.at) {
				p.leave(w)
			}
		}
		for _, at := range l.addrs {
			if p.watched[at] == nil {
				p.join(ctx, at)
			}
		}
	}
	p.publish()
}

func (p *prober) join(ctx context.Context, at netip.AddrPort) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{
		address: address{at: at, joined: p.generation, first: !p.firstRoundOver(), since: time.Now(), use: p.useOf(at)},
		wake:    make(chan struct{}, 1),
		cancel:  cancel,
	}
	p.watched[at] = w
	p.running.Go(func() { p.probe(ctx, at, w.wake) })
	p.log.Info("upstream address found", "address", at.String())
}

func (p *prober) leave(w *watch) {
	w.cancel()
	delete(p.watched, w.at)
	w.since = time.Now()
	p.departed = slices.Insert(p.departed, 0, &w.address)
	p.log.Info("upstream address gone", "address", w.at.String(), "reason", "the name does not list it any more")
}

// useOf returns what is under way at an address, also from before it left.
func (p *prober) useOf(at netip.AddrPort) *use {
	i := slices.IndexFunc(p.departed, func(a *address) bool { return a.at == at })
	if i < 0 {
		return new(use)
	}
	back := p.departed[i]
	p.departed = slices.Delete(p.departed, i, i+1)
	return back.use
}

// probed takes the verdict on an address, unless that address left meanwhile.
func (p *prober) probed(r result) {
	w := p.watched[r.at]
	if w == nil {
		return
	}
	p.counters.probed(r.verdict.outcome)
	if r.verdict.bootFailed {
		p.failed = r.verdict.started
	}
	p.log.Debug("upstream probed", "address", r.at.String(), "result", r.verdict.outcome.String(),
		"duration", r.verdict.took, "reason", r.verdict.reason)
	if w.isAnother(r.verdict) {
		p.generation++
		w.address = address{at: w.at, joined: p.generation, since: time.Now(), use: w.use}
		p.log.Info("upstream address found", "address", r.at.String(), "reason", "another container has it now")
	}
	if w.observe(r.verdict, p.limit()) {
		p.logHealth(&w.address)
	}
	p.publish()
}

// limit returns what changes the state of an address. While none serves, the first pass
// is enough: there is nothing better to offer, and clients are waiting.
func (p *prober) limit() thresholds {
	limit := p.settings.limit
	if len(p.snapshot.Load().serving) == 0 {
		limit.passes = 1
	}
	return limit
}

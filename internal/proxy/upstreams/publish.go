package upstreams

import (
	"slices"
	"time"
)

// publish makes a new snapshot of what is known and wakes whoever waits for one.
func (p *prober) publish() {
	all := p.known()
	p.departed = slices.DeleteFunc(p.departed, func(a *address) bool { return a.use.none() })
	old := p.snapshot.Load()
	s := &snapshot{changed: make(chan struct{})}
	s.serving, s.lastResort = p.choose(all)
	s.state = p.describe(old, s.serving, all)
	s.view = viewOf(old, s)
	s.failed = p.failed
	p.snapshot.Store(s)
	close(old.changed)
	p.endFirstRound(all)
	p.announce(old, s)
}

// known returns the addresses that the name lists, the newest first.
func (p *prober) known() []*address {
	all := make([]*address, 0, len(p.watched))
	for _, w := range p.watched {
		all = append(all, &w.address)
	}
	slices.SortFunc(all, newer)
	return all
}

// choose picks the addresses that get requests: the healthy ones, or the last
// one that was.
func (p *prober) choose(all []*address) (list []serving, lastResort bool) {
	for _, a := range all {
		if a.healthy {
			list = append(list, serve(a))
		}
	}
	if len(list) > 0 {
		return list, false
	}
	if last := p.lastResort(all); last != nil {
		return []serving{serve(last)}, true
	}
	return nil, false
}

// viewOf returns what requests see of a snapshot.
func viewOf(old, now *snapshot) View {
	v := View{Version: old.view.Version}
	for _, s := range now.serving {
		v.Addresses = append(v.Addresses, s.dial)
	}
	if was, is := old.first(), now.first(); is.First && (was.Address != is.Address || was.Since != is.Since) {
		v.Version++
	}
	return v
}

// first returns the state of the address that new requests go to, or nothing.
func (s *snapshot) first() AddressState {
	for _, a := range s.state.Addresses {
		if a.First {
			return a
		}
	}
	return AddressState{}
}

func serve(a *address) serving {
	return serving{at: a.at, dial: a.at.String(), passed: a.lastPass, use: a.use}
}

// lastResort returns the address that answered most recently among those that left
// only because they are slow. Something must still say that it is there: the
// name lists it, or it takes connections.
func (p *prober) lastResort(all []*address) *address {
	var last *address
	for _, a := range all {
		there := a.last.connected || p.resolveErr == nil
		if a.stalled && there && (last == nil || a.lastPass.After(last.lastPass)) {
			last = a
		}
	}
	return last
}

func (p *prober) describe(old *snapshot, list []serving, all []*address) State {
	state := State{
		Upstream:  p.settings.upstream,
		Available: len(list) > 0,
		Since:     old.state.Since,
	}
	if state.Available != old.state.Available {
		state.Since = time.Now()
	}
	if p.resolveErr != nil {
		state.Resolver = p.resolveErr.Error()
	}
	for _, a := range all {
		one := a.describe()
		position := slices.IndexFunc(list, func(s serving) bool { return s.at == a.at })
		one.Serving, one.First = position >= 0, position == 0
		state.Addresses = append(state.Addresses, one)
	}
	for _, a := range p.departed {
		one := a.describe()
		one.Healthy, one.Gone = false, true
		state.Addresses = append(state.Addresses, one)
	}
	return state
}

func (a *address) describe() AddressState {
	return AddressState{
		Address: a.at.String(), Healthy: a.healthy, Since: a.since, Version: a.version,
		Probed: a.last.started, Took: a.last.took.Seconds(), Reason: a.last.reason, use: a.use,
	}
}

// endFirstRound ends the first round: every address of the first lookup was probed, or
// there is none.
func (p *prober) endFirstRound(all []*address) {
	if p.firstRoundOver() {
		return
	}
	for _, a := range all {
		if a.last.started.IsZero() {
			return
		}
	}
	close(p.firstRound)
	if len(p.snapshot.Load().serving) == 0 {
		p.log.Warn("upstream not available yet", p.trouble("addresses", len(all))...)
	}
}

// NoAddress is why an upstream whose name has no address does not serve.
const NoAddress = "no container of this network has that name"

// trouble returns attributes for the log with why nothing serves, and the setting that
// may be wrong.
func (p *prober) trouble(attrs ...any) []any {
	reason := NoAddress
	if p.resolveErr != nil {
		reason = p.resolveErr.Error()
	}
	if all := p.known(); len(all) > 0 {
		reason = all[0].last.reason
	}
	attrs = append(attrs, "reason", reason)
	if p.settings.setting != "" {
		attrs = append(attrs, "check", p.settings.setting)
	}
	return attrs
}

// remind tells of an upstream that is still away.
func (p *prober) remind() {
	if now := p.snapshot.Load(); len(now.serving) == 0 {
		p.log.Warn("upstream still unavailable", p.trouble("since", now.state.Since.UTC().Format(time.TimeOnly)+" UTC")...)
	}
}

func (p *prober) firstRoundOver() bool {
	select {
	case <-p.firstRound:
		return true
	default:
		return false
	}
}

// announce says in the log what a request would notice, once, and hurries the
// probes when nothing is left that serves.
func (p *prober) announce(old, now *snapshot) {
	from, to := old.firstAddress(), now.firstAddress()
	switch {
	case from == to && now.lastResort && !old.lastResort:
		p.log.Warn("upstream has no healthy address; requests still go to the last one, which is only slow", "address", to.String())
	case from == to:
		return
	case !to.IsValid():
		p.log.Warn("upstream unavailable", "last", from.String())
		p.hurry()
	case !from.IsValid():
		p.log.Info("upstream available", "address", to.String(), "after", time.Since(old.state.Since))
	default:
		p.counters.switches.Add(1)
		p.log.Info("upstream switched", "from", from.String(), "to", to.String(), "fallbacks", len(now.serving)-1)
	}
}

// hurry wakes every goroutine that sleeps at the slow pace.
func (p *prober) hurry() {
	notify(p.wake)
	for _, w := range p.watched {
		notify(w.wake)
	}
}

func (p *prober) logLookup(err error) {
	switch {
	case err != nil && p.resolveErr == nil:
		p.log.Warn("upstream cannot be resolved; its last known addresses stay", "error", err)
	case err == nil && p.resolveErr != nil:
		p.log.Info("upstream resolved again")
	}
	if err != nil {
		p.counters.lookupErrors.Add(1)
	}
}

func (p *prober) logHealth(a *address) {
	if a.healthy {
		p.log.Info("upstream address healthy", "address", a.at.String(), "probe", p.client.target.url(a.at))
		return
	}
	p.log.Warn("upstream address unhealthy", "address", a.at.String(), "probe", p.client.target.url(a.at),
		"reason", a.last.reason, "probes", max(a.timeouts, 1))
}

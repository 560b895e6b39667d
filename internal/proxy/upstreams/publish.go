package upstreams

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
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

// known returns the addresses that the name lists, those of the newest release first.
func (p *prober) known() []*address {
	all := make([]*address, 0, len(p.watched))
	for _, w := range p.watched {
		all = append(all, &w.address)
	}
	rank(all)
	return all
}

// choose picks the addresses that get requests: the healthy ones, or those of the
// release that was the last to be.
func (p *prober) choose(all []*address) (list []serving, lastResort bool) {
	list = serve(all, func(a *address) bool { return a.healthy })
	last := p.lastResort(all)
	if len(list) > 0 || last == nil {
		return list, false
	}
	return serve(all, func(a *address) bool { return p.slow(a) && a.release() == last.release() }), true
}

// viewOf returns what requests see of a snapshot.
func viewOf(old, now *snapshot) View {
	v := View{Version: old.view.Version}
	for i, s := range now.serving {
		v.Addresses = append(v.Addresses, s.dial)
		if i > 0 && s.release != now.serving[i-1].release {
			v.Older = append(v.Older, s.dial)
		}
	}
	was := newest(old.serving)
	if slices.ContainsFunc(newest(now.serving), func(s serving) bool {
		return !slices.ContainsFunc(was, func(w serving) bool { return w.at == s.at && w.since.Equal(s.since) })
	}) {
		v.Version++
	}
	return v
}

// serve returns the addresses that requests may be sent to.
func serve(all []*address, may func(*address) bool) (list []serving) {
	now := time.Now()
	for _, a := range all {
		if may(a) {
			list = append(list, serving{
				at: a.at, dial: a.at.String(), release: a.release(), since: a.since, warming: a.warming(now), passed: a.lastPass, use: a.use,
			})
		}
	}
	return list
}

// lastResort returns the address that answered most recently among those that left
// only because they are slow.
func (p *prober) lastResort(all []*address) *address {
	var last *address
	for _, a := range all {
		if p.slow(a) && (last == nil || a.lastPass.After(last.lastPass)) {
			last = a
		}
	}
	return last
}

// slow reports whether an address left only because it is slow. Something must still say
// that it is there: the name lists it, or it takes connections.
func (p *prober) slow(a *address) bool {
	return a.stalled && (a.last.connected || p.resolveErr == nil)
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
		state.Resolver = unresolved(p.resolveErr) + "; check " + nameServers(p.settings.resolver)
	}
	for _, a := range all {
		one := a.describe()
		position := slices.IndexFunc(list, func(s serving) bool { return s.at == a.at })
		one.Serving, one.First = position >= 0, position >= 0 && position < len(newest(list))
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
	reason, check := NoAddress, p.settings.setting
	if p.resolveErr != nil {
		reason, check = unresolved(p.resolveErr), nameServers(p.settings.resolver)
	}
	if all := p.known(); len(all) > 0 {
		reason = strings.TrimPrefix(all[0].last.reason+itself(all[0].at.Addr(), place.Here().Self()), "; ")
	}
	attrs = append(attrs, "reason", reason)
	if check != "" {
		attrs = append(attrs, "check", check)
	}
	return attrs
}

// itself returns that an address is the proxy's own, in a container. The loopback address is
// written by somebody who knows what is here.
func itself(address netip.Addr, self string) string {
	if self == "" || address.IsLoopback() || !netcause.Own(address) {
		return ""
	}
	return "; " + address.String() + " is " + self + " itself, the proxy"
}

// unresolved returns why nobody knows the addresses of a name.
func unresolved(err error) string {
	_, why := netcause.Of(err)
	return why
}

// nameServers returns where it is set which name servers are asked.
func nameServers(resolver string) string {
	if resolver != "" {
		return "UPSTREAM_RESOLVER"
	}
	return "the name servers in /etc/resolv.conf of this container"
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
	from, to := newest(old.serving), newest(now.serving)
	switch {
	case len(from) == 0 && len(to) == 0:
		return
	case len(to) == 0:
		p.log.Warn("upstream unavailable", "last", from[0].dial)
		p.hurry()
	case len(from) == 0:
		p.log.Info("upstream available", "address", to[0].dial, "after", time.Since(old.state.Since))
	case !meet(from, to):
		p.counters.switches.Add(1)
		p.log.Info("upstream switched", "from", from[0].dial, "to", to[0].dial, "fallbacks", len(now.serving)-len(to))
	case now.lastResort && !old.lastResort:
		p.log.Warn("upstream has no healthy address; requests still go where it is only slow", "address", to[0].dial, "addresses", len(to))
	}
}

// meet reports whether two lists have an address in common.
func meet(these, those []serving) bool {
	return slices.ContainsFunc(these, func(a serving) bool {
		return slices.ContainsFunc(those, func(b serving) bool { return a.at == b.at })
	})
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
		p.log.Warn("upstream cannot be resolved; its last known addresses stay", "error", unresolved(err), "check", nameServers(p.settings.resolver))
	case err == nil && p.resolveErr != nil:
		p.log.Info("upstream resolved again")
	}
	if err != nil {
		p.counters.lookupErrors.Add(1)
	}
}

func (p *prober) logHealth(a *address) {
	if a.healthy && a.last.foreign {
		p.log.Warn("another service than the web application answers the health probe: whether the application is ready is not known", "probe", p.client.target.url(a.at),
			"fix", "let PLATFORM_UPSTREAM name the container of the application alone, and PLATFORM_HEALTH its status port")
	}
	if a.healthy {
		p.log.Info("upstream address healthy", "address", a.at.String(), "probe", p.client.target.url(a.at))
		return
	}
	p.log.Warn("upstream address unhealthy", "address", a.at.String(), "probe", p.client.target.url(a.at),
		"reason", a.last.reason, "probes", max(a.timeouts, 1))
}

package upstreams

import (
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counters are a prober's numbers that only grow, and the requests it holds.
type counters struct {
	probes       [len(outcomeNames)]atomic.Uint64
	switches     atomic.Uint64
	lookupErrors atomic.Uint64
	retries      atomic.Uint64
	held         atomic.Int64
}

func (c *counters) probed(o outcome) { c.probes[o].Add(1) }

// collector reads the probers when it is scraped, so that an address which is
// gone leaves no series behind.
type collector struct{}

// Collector returns the metrics of every upstream that is being probed. Each
// Source registers it with Caddy's own registry already; this is for a registry
// of one's own.
func Collector() prometheus.Collector { return collector{} }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("tale_proxy_upstream_"+name, help, append([]string{"alias"}, labels...), nil)
}

var (
	healthyDesc      = describe("healthy", "Whether the address passed its probes (1) or not (0).", "address")
	servingDesc      = describe("serving", "Whether requests may be sent to the address (1) or not (0).", "address")
	requestsDesc     = describe("requests", "Requests that are under way at the address.", "address")
	socketsDesc      = describe("sockets", "WebSockets that are open at the address.", "address")
	offeredDesc      = describe("offered_total", "Requests and WebSockets that the address was given.", "address")
	firstDesc        = describe("first", "Whether new requests are sent to the address (1) or not (0).", "address")
	probeSecondsDesc = describe("probe_seconds", "How long the last probe of the address took.", "address")
	availableDesc    = describe("available", "Whether any address takes requests (1) or none (0).")
	switchesDesc     = describe("switches_total", "How often new requests moved to another address.")
	probesDesc       = describe("probes_total", "Probes by result: pass, fail, timeout.", "result")
	lookupErrorsDesc = describe("resolve_errors_total", "Lookups of the name that failed.")
	retriesDesc      = describe("retries_total", "Tries of a request after its first.")
	heldDesc         = describe("held_requests", "Requests that wait for an address to become healthy.")
)

// Describe implements prometheus.Collector.
func (collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		healthyDesc, servingDesc, requestsDesc, socketsDesc, offeredDesc, firstDesc, probeSecondsDesc, availableDesc,
		switchesDesc, probesDesc, lookupErrorsDesc, retriesDesc, heldDesc,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (collector) Collect(out chan<- prometheus.Metric) {
	seen := make(map[string]bool)
	for _, p := range probers() {
		// Two probers of one alias (with different probes) would be two values
		// of one series, which fails the whole scrape.
		if alias := p.settings.upstream; !seen[alias] {
			seen[alias] = true
			p.collect(out)
		}
	}
}

func (p *prober) collect(out chan<- prometheus.Metric) {
	alias, state := p.settings.upstream, p.snapshot.Load().state.now()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{alias}, labels...)...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{alias}, labels...)...)
	}
	for _, a := range state.Addresses {
		gauge(requestsDesc, float64(a.Requests), a.Address)
		gauge(socketsDesc, float64(a.Sockets), a.Address)
		counter(offeredDesc, uint64(a.Offered), a.Address)
		if a.Gone {
			continue
		}
		gauge(healthyDesc, truth(a.Healthy), a.Address)
		gauge(servingDesc, truth(a.Serving), a.Address)
		gauge(firstDesc, truth(a.First), a.Address)
		gauge(probeSecondsDesc, a.Took, a.Address)
	}
	gauge(availableDesc, truth(state.Available))
	gauge(heldDesc, float64(p.counters.held.Load()))
	for o, name := range outcomeNames {
		counter(probesDesc, p.counters.probes[o].Load(), name)
	}
	counter(switchesDesc, p.counters.switches.Load())
	counter(lookupErrorsDesc, p.counters.lookupErrors.Load())
	counter(retriesDesc, p.counters.retries.Load())
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// registerMetrics makes the collector known to a registry, which it may be
// already: every source does this.
func registerMetrics(registry *prometheus.Registry) error {
	if registry == nil {
		return nil
	}
	err := registry.Register(collector{})
	if _, twice := errors.AsType[prometheus.AlreadyRegisteredError](err); twice {
		return nil
	}
	return err
}

package upstreams

import (
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// The defaults of a Source.
const (
	defaultInterval = time.Second
	defaultTimeout  = 2 * time.Second
	defaultPasses   = 2
	defaultTimeouts = 3
	defaultHold     = 2 * time.Second
	defaultStart    = 2 * time.Second
)

// maxTimeout keeps a probe shorter than the patience of a client that waits for
// its result.
const maxTimeout = 2 * time.Second

func init() { caddy.RegisterModule(Source{}) }

// Source provides upstreams from a name whose addresses it probes itself. It returns one
// healthy address, the least busy one of the newest release, so it belongs with the
// selection policy `first` (see [LoadBalancing]).
//
// The name is resolved every interval (A and AAAA), away from the requests. When
// the name server cannot be asked, the addresses known so far stay; an address
// that it does not list any more is dropped, and so is a name that it does not
// know. An upstream given as an IP address is probed just the same.
//
// Each address is probed by itself, over a connection of its own. It is returned
// after it answered 200 `passes` times in a row (once is enough for one that is
// there when the proxy starts, and where no other serves). It is dropped at once when it answers anything
// else or refuses the connection, and after `timeouts` probes in a row without
// an answer in time. Those of the last release are kept even then, as long as they are
// only slow.
//
// Addresses that tell one version (`Tale-Version` in their health answer, and the same
// `Tale-Colour` if any) share the requests. An address that becomes healthy gets its full
// share after ten seconds, unless it was there when the proxy started.
//
// Releases are ordered by when the name first listed an address of theirs, the newest first.
// Those that were all there when the proxy started are ordered by when the
// service says it started, if its health answer is a JSON object with `started`
// (RFC 3339) or `uptime` (seconds).
//
// When no address is healthy, the list of upstreams is empty (never an error),
// and the proxy's retries wait for the next healthy one until `hold` has passed
// since the last was lost.
//
// Handlers with the same settings share one prober. Metrics are registered with
// Caddy's registry: `tale_proxy_upstream_healthy`,
// `tale_proxy_upstream_serving`, `tale_proxy_upstream_switches_total`,
// `tale_proxy_upstream_probes_total`, `tale_proxy_upstream_retries_total` and
// `tale_proxy_upstream_held_requests`, and more.
type Source struct {
	// Where requests go: a name or an IP address, and the port. Required.
	Upstream string `json:"upstream,omitempty"`

	// What is asked of each address: a path on the same port (`/api/health`), or
	// another port and a path (`:9180/readyz`). Required.
	Probe string `json:"probe,omitempty"`

	// What is asked, like `probe`, of an address where nothing has ever listened on the
	// port of `probe`: containers of another make have no such port. Default: nothing.
	Fallback string `json:"fallback,omitempty"`

	// The Host header of a probe. Default: the host of `upstream`.
	Host string `json:"host,omitempty"`

	// How often the name is resolved and each address probed. It is a quarter of
	// that while no address is healthy. Default: `1s`.
	Interval caddy.Duration `json:"interval,omitempty"`

	// How long a probe may take, at most `2s`. Default: `2s`.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// How many probes in a row an address must pass to be used while another is.
	// Default: 2.
	Passes int `json:"passes,omitempty"`

	// How many probes in a row may take too long before an address is dropped.
	// Default: 3.
	Timeouts int `json:"timeouts,omitempty"`

	// How long requests are held after the last healthy address was lost.
	// Negative: not at all. Default: `2s`.
	Hold caddy.Duration `json:"hold,omitempty"`

	// How long loading the configuration waits for the first round of probes, so
	// that the first request is not refused only because nobody has looked yet.
	// Negative: not at all. Default: `2s`.
	Start caddy.Duration `json:"start,omitempty"`

	// The name server to ask, as `host:port`. Default: the system's.
	Resolver string `json:"resolver,omitempty"`

	// What the operator sets to say where the upstream is, for the log. Default: nothing.
	Setting string `json:"setting,omitempty"`

	key    settings
	prober *prober
}

// CaddyModule returns the Caddy module information.
func (Source) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.upstreams.probed",
		New: func() caddy.Module { return new(Source) },
	}
}

// Provision checks the settings, joins or starts the prober and waits for its
// first round.
func (s *Source) Provision(ctx caddy.Context) error {
	s.setDefaults()
	if err := s.check(); err != nil {
		return err
	}
	s.key = s.settings()
	value, _, err := pool.LoadOrNew(s.key, func() (caddy.Destructor, error) {
		return newProber(s.key, ctx.Slogger())
	})
	if err != nil {
		return err
	}
	s.prober, _ = value.(*prober) // the pool has nothing else
	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("cannot register the metrics of upstream %s: %w", s.Upstream, err)
	}
	s.awaitFirstRound(ctx)
	return nil
}

func (s *Source) setDefaults() {
	setDefault(&s.Interval, caddy.Duration(defaultInterval))
	setDefault(&s.Timeout, caddy.Duration(defaultTimeout))
	setDefault(&s.Passes, defaultPasses)
	setDefault(&s.Timeouts, defaultTimeouts)
	setDefault(&s.Hold, caddy.Duration(defaultHold))
	setDefault(&s.Start, caddy.Duration(defaultStart))
	if host, _, err := splitUpstream(s.Upstream); err == nil && s.Host == "" {
		s.Host = host
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (s *Source) check() error {
	if _, _, err := splitUpstream(s.Upstream); err != nil {
		return err
	}
	if _, err := parseTarget(s.Probe); err != nil {
		return err
	}
	if s.Fallback != "" {
		if _, err := parseTarget(s.Fallback); err != nil {
			return err
		}
	}
	if s.Interval < 0 || s.Timeout < 0 || time.Duration(s.Timeout) > maxTimeout || s.Passes < 0 || s.Timeouts < 0 {
		return fmt.Errorf("cannot use upstream %s: interval, passes and timeouts must be positive, and timeout at most %v", s.Upstream, maxTimeout)
	}
	return nil
}

func (s *Source) settings() settings {
	return settings{
		upstream: s.Upstream,
		probe:    s.Probe,
		fallback: s.Fallback,
		host:     s.Host,
		resolver: s.Resolver,
		interval: time.Duration(s.Interval),
		timeout:  time.Duration(s.Timeout),
		setting:  s.Setting,
		remind:   remindEvery,
		limit:    thresholds{passes: s.Passes, timeouts: s.Timeouts},
	}
}

func (s *Source) awaitFirstRound(ctx caddy.Context) {
	if s.Start < 0 {
		return
	}
	timer := time.NewTimer(time.Duration(s.Start))
	defer timer.Stop()
	select {
	case <-s.prober.firstRound:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Cleanup gives the prober back; the last one to do so ends it.
func (s *Source) Cleanup() error {
	if s.prober == nil {
		return nil
	}
	_, err := pool.Delete(s.key)
	return err
}

// GetUpstreams returns the address for the request, or none. It never returns an
// error: Caddy would log it for every request, and fall back to upstreams that do not
// exist. A second address would be asked for only if Caddy had its own reasons against
// the first, and costs a global lock.
func (s *Source) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	list := s.prober.snapshot.Load().serving
	if len(list) > 1 {
		list = attemptsOf(r).equals(only(r, list))
	}
	if len(list) == 0 {
		return nil, nil
	}
	return []*reverseproxy.Upstream{{Dial: s.prober.balancer.assign(r, list).dial}}, nil
}

// ResetCache does what the proxy asks for before it tries a request again. It has the
// upstream probed at once, and returns when there is something to try.
func (s *Source) ResetCache(r *http.Request) error {
	s.prober.refresh()
	if r == nil {
		return nil
	}
	s.prober.counters.retries.Add(1)
	now := time.Now()
	tried := record(r, now)
	s.prober.counters.held.Add(1)
	defer s.prober.counters.held.Add(-1)
	s.prober.await(r.Context(), tried, now, max(time.Duration(s.Hold), 0))
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner                  = (*Source)(nil)
	_ caddy.CleanerUpper                 = (*Source)(nil)
	_ reverseproxy.CachingUpstreamSource = (*Source)(nil)
)

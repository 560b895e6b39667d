package accesslog

import (
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
)

func init() { caddy.RegisterModule(Upstream{}) }

// ownAnswers is the upstream label of what the proxy answers by itself:
// redirects, refusals, unknown paths.
const ownAnswers = "none"

// latencyBuckets reach from an answer out of memory to an upload or a download,
// in seconds.
var latencyBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// latency is how long requests take, by upstream and class of the status: no
// label has more values than the configuration has upstreams.
type latency struct {
	firstByte *prometheus.HistogramVec
	duration  *prometheus.HistogramVec
}

func newLatency(registry *prometheus.Registry) (*latency, error) {
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencyBuckets}, []string{"upstream", "code"})
	}
	l := &latency{
		firstByte: histogram("tale_proxy_first_byte_seconds", "From the request's header until the answer's header was sent, by upstream (none: answered by the proxy) and status class."),
		duration:  histogram("tale_proxy_request_duration_seconds", "From the request's header until the whole answer was sent, by upstream (none: answered by the proxy) and status class."),
	}
	return l, errors.Join(register(registry, &l.firstByte), register(registry, &l.duration))
}

// register takes the metric that is there, if one is: both handlers do this, and
// Caddy provisions each of them several times.
func register[C prometheus.Collector](registry *prometheus.Registry, metric *C) error {
	if registry == nil {
		return nil
	}
	err := registry.Register(*metric)
	if twice, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if *metric, ok = twice.ExistingCollector.(C); ok {
			return nil
		}
	}
	return err
}

// observers are the series of one upstream, by the first digit of the status:
// looked up once and not for every request, and not there before they have a value.
type observers struct {
	latency  *latency
	upstream string
	classes  [6]atomic.Pointer[class]
}

type class struct{ firstByte, duration prometheus.Observer }

func (l *latency) of(upstream string) *observers { return &observers{latency: l, upstream: upstream} }

// observe is called once for each request. A status out of the ordinary counts as
// the client's.
func (o *observers) observe(rec *record) {
	digit := rec.finalStatus() / 100
	if digit < 1 || digit >= len(o.classes) {
		digit = 4
	}
	took := time.Since(rec.began)
	firstByte := rec.firstByte
	if firstByte == 0 {
		firstByte = took
	}
	c := o.class(digit)
	c.firstByte.Observe(firstByte.Seconds())
	c.duration.Observe(took.Seconds())
}

func (o *observers) class(digit int) *class {
	if c := o.classes[digit].Load(); c != nil {
		return c
	}
	code := strconv.Itoa(digit) + "xx"
	c := &class{o.latency.firstByte.WithLabelValues(o.upstream, code), o.latency.duration.WithLabelValues(o.upstream, code)}
	o.classes[digit].Store(c)
	return c
}

// Upstream tells the access log's latency histograms which upstream a request is
// for. It must come after the log in the chain, and before the proxy.
type Upstream struct {
	// Name is the value of the histograms' label `upstream`. Required.
	Name string `json:"name,omitempty"`

	observers *observers
}

// CaddyModule returns the Caddy module information.
func (Upstream) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_upstream",
		New: func() caddy.Module { return new(Upstream) },
	}
}

// Provision finds the histograms.
func (u *Upstream) Provision(ctx caddy.Context) error {
	if u.Name == "" {
		return errors.New("the upstream has no name")
	}
	l, err := newLatency(ctx.GetMetricsRegistry())
	if err != nil {
		return err
	}
	u.observers = l.of(u.Name)
	return nil
}

// ServeHTTP passes the request on.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if rec, ok := caddyhttp.GetVar(r.Context(), recordVar).(*record); ok {
		rec.observers = u.observers
	}
	return next.ServeHTTP(w, r)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Upstream)(nil)
	_ caddyhttp.MiddlewareHandler = (*Upstream)(nil)
)

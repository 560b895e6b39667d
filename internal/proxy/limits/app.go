package limits

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(new(App)) }

// The defaults of an App.
const (
	defaultSlowAfter = 5 * time.Second
	defaultGrace     = 20 * time.Second
	// defaultAnswerPatience is for a page of many pictures over a slow line, on which those
	// before take each their part of the time. A terminator gives up after a minute.
	defaultAnswerPatience = 30 * time.Second
)

const appName = "tale_limits"

// App has the limits of visitors, and knows what they hold.
//
// Metrics: `tale_proxy_connections`, `tale_proxy_connections_room`,
// `tale_proxy_connections_shed_total` and `tale_proxy_visitor_refusals_total`.
type App struct {
	// How many connections one visitor network may have, and how many requests under
	// way. Default: no limit but half of what there is room for.
	Connections int `json:"connections,omitempty"`
	// How many slow request bodies one visitor network may send at a time.
	// Default: no limit but half of what there is room for.
	Uploads int `json:"uploads,omitempty"`
	// How many bytes per second a request body must bring, counting the time
	// spent waiting for it. Default: no least rate.
	BodyRate int64 `json:"body_rate,omitempty"`
	// How long a request body may be waited for before it counts as slow.
	// Default: `5s`.
	SlowAfter caddy.Duration `json:"slow_after,omitempty"`
	// How long it may be waited for whatever its rate. Default: `20s`.
	Grace caddy.Duration `json:"grace,omitempty"`
	// How many large answers there is room for. Default: as many as the memory has.
	Answers int `json:"answers,omitempty"`
	// How long a large answer waits for room. Default: `30s`.
	AnswerPatience caddy.Duration `json:"answer_patience,omitempty"`
	// Networks of peers that carry the requests of others. Their connections are not
	// counted by themselves. Default: none.
	Trusted []netip.Prefix `json:"trusted,omitempty"`

	memory                uint64
	connections, requests ledger
	uploads, answers      ledger
	unproven              atomic.Int64 // connections over QUIC whose visitor has not answered yet
	refusals              refusals
	greetings             greetings
	metrics               *metrics
	pace                  pace
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appName, New: func() caddy.Module { return new(App) }}
}

// Provision finds out how much room there is.
func (a *App) Provision(ctx caddy.Context) error {
	a.SlowAfter = cmp.Or(a.SlowAfter, caddy.Duration(defaultSlowAfter))
	a.Grace = cmp.Or(a.Grace, caddy.Duration(defaultGrace))
	a.AnswerPatience = cmp.Or(a.AnswerPatience, caddy.Duration(defaultAnswerPatience))
	a.memory = memory()
	room := roomFor(files(), a.memory)
	a.connections.most, a.connections.room = a.Connections, room
	a.requests.most, a.requests.room = a.Connections, room
	// A slow upload holds a connection, its buffers and those of the upstream.
	a.uploads.most, a.uploads.room = a.Uploads, room/2
	a.answers.room = cmp.Or(a.Answers, roomForAnswers(a.memory))
	a.pace = make(pace, runtime.GOMAXPROCS(0))
	a.refusals.log, a.refusals.quiet = ctx.Slogger(), quietTime
	a.greetings.log = ctx.Slogger()
	a.metrics = newMetrics(&a.connections)
	if err := a.metrics.register(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("cannot count visitors: %w", err)
	}
	a.refusals.log.Debug("room for visitors", "connections", room)
	return nil
}

// Memory returns how many bytes there may be for all that the process does.
func (a *App) Memory() uint64 { return a.memory }

// Start does nothing: the servers begin.
func (*App) Start() error { return nil }

// Stop does nothing.
func (*App) Stop() error { return nil }

// Of returns the app of a configuration.
func Of(ctx caddy.Context) (*App, error) {
	app, err := ctx.App(appName)
	if err != nil {
		return nil, fmt.Errorf("cannot count visitors: %w", err)
	}
	return app.(*App), nil // the name belongs to it
}

func (a *App) trusts(address netip.Addr) bool {
	address = address.Unmap()
	return slices.ContainsFunc(a.Trusted, func(p netip.Prefix) bool { return p.Contains(address) })
}

// networkOf returns the network that the connections of a peer are counted by.
func (a *App) networkOf(address netip.Addr) netip.Prefix {
	if a.trusts(address) {
		return anybody
	}
	return networkOf(address)
}

func (a *App) refuse(network netip.Prefix, why reason) {
	a.metrics.refused.WithLabelValues(string(why)).Inc()
	a.refusals.note(network, why)
}

// admit takes a connection, or a socket that is as good as one.
func (a *App) admit(network netip.Prefix) bool {
	ok, victim := a.connections.take(network)
	if !ok {
		a.refuse(network, tooManyConnections)
	}
	if victim != nil {
		a.metrics.shed.Inc()
		_ = victim.(io.Closer).Close() // its server finds out
	}
	return ok
}

var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
)

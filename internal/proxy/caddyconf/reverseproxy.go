package caddyconf

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/adminkeys"
	"github.com/tale-project/tale-runtime/internal/proxy/body"
	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/accesslog"
	"github.com/tale-project/tale-runtime/internal/proxy/bulk"
	"github.com/tale-project/tale-runtime/internal/proxy/roundtrip"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/proxy/settings"
	"github.com/tale-project/tale-runtime/internal/proxy/tunnel"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/stack"
)

const (
	// dialTimeout leaves a request whose upstream has vanished time for another.
	dialTimeout = time.Second
	// idlePerUpstream is how many idle connections are kept to an upstream.
	// Caddy's 32 cost a quarter of the throughput at 100 clients.
	idlePerUpstream = 256
	// backendHold is how long requests wait for a backend that restarts: it exists once, and
	// an orchestrator that replaces it takes 2 to 4 seconds from the end of the old one.
	backendHold = 5 * time.Second
	// socketBuffer is used twice per tunnel; messages of the sync protocol are
	// small, and ten thousand tunnels are not.
	socketBuffer = 4 << 10

	// JavaScript servers close idle connections after 5 (Node) or 10 (Bun)
	// seconds. A connection must leave our pool before that, or a request is
	// written into one that is just being closed.
	idleJavaScript = 4 * time.Second
	idleBackend    = time.Minute
)

// namedRoutes returns one reverse proxy per upstream, which the rows of the table
// share: one pool of connections and one prober each.
func (b *builder) namedRoutes() map[string]*caddyhttp.Route {
	backend := b.probed(idleBackend, upstreams.Source{Upstream: b.s.Backend, Probe: "/version", Hold: caddy.Duration(backendHold), Setting: "CONVEX_UPSTREAM"})
	backend.StreamBufferSize = socketBuffer
	platform := b.probed(idleJavaScript, platformSource(b.s))
	sockets := tunnel.Handler{
		UpstreamsRaw: backend.DynamicUpstreamsRaw, Headers: backend.Headers,
		DialTimeout: caddy.Duration(dialTimeout), TryDuration: caddy.Duration(backendHold),
	}
	named := map[string]*caddyhttp.Route{
		string(routes.Backend): proxyRoute(routes.Backend, backend),
		socketsOf(routes.Backend): {HandlersRaw: []json.RawMessage{
			measured(routes.Backend),
			handler(sockets),
			handler(caddyhttp.Invoke{Name: string(routes.Backend)}),
		}},
		string(routes.Platform): proxyRoute(routes.Platform, platform),
		string(routes.Dashboard): proxyRoute(routes.Dashboard, b.fixed(idleJavaScript, b.s.Dashboard),
			handler(adminkeys.Answers{})),
	}
	for _, site := range b.table.Sites {
		extra := b.probed(idleJavaScript, upstreams.Source{Upstream: site.Address, Probe: site.Health, Setting: "EXTRA_SITES"})
		extra.Headers.Request.Set.Del("X-Forwarded-Prefix") // the main site's
		named[string(site.Upstream())] = proxyRoute(site.Upstream(), extra)
	}
	if b.table.SitePort {
		named[string(routes.SitePort)] = proxyRoute(routes.SitePort, b.fixed(idleBackend, b.s.SitePort))
	}
	if b.table.Metrics {
		named[string(routes.Crawler)] = proxyRoute(routes.Crawler, b.fixed(idleJavaScript, b.s.Crawler))
		named[string(routes.RAG)] = proxyRoute(routes.RAG, b.fixed(idleJavaScript, b.s.RAG))
		named[string(routes.Operator)] = proxyRoute(routes.Operator, b.fixed(idleJavaScript, b.s.Operator))
	}
	return named
}

func proxyRoute(upstream routes.Upstream, proxy *reverseproxy.Handler, before ...json.RawMessage) *caddyhttp.Route {
	return &caddyhttp.Route{HandlersRaw: slices.Concat([]json.RawMessage{measured(upstream)}, before, []json.RawMessage{handler(&bulk.Handler{}), handler(proxy)})}
}

// measured makes the latency histograms know where a request goes.
func measured(upstream routes.Upstream) json.RawMessage {
	return handler(accesslog.Upstream{Name: string(upstream)})
}

// socketsOf names the route for the rows on which an upstream takes
// WebSockets. What is not one, or comes over HTTP/2, goes on from there to the
// upstream's own route.
func socketsOf(upstream routes.Upstream) string { return string(upstream) + "-sockets" }

// probed returns a reverse proxy to an upstream of which each address is probed.
func (b *builder) probed(idle time.Duration, source upstreams.Source) *reverseproxy.Handler {
	proxy := b.reverseProxy(idle)
	source.Resolver = b.s.Resolver
	proxy.DynamicUpstreamsRaw = module("source", source)
	proxy.LoadBalancing = upstreams.LoadBalancing()
	maps.Copy(proxy.LoadBalancing.RetryMatchRaw[0], modules(body.Whole{}))
	return proxy
}

// platformSource returns the web application as it is probed. Where that is asked of a
// status port, containers of images without one are asked as the images before were.
func platformSource(s *settings.Settings) upstreams.Source {
	source := upstreams.Source{Upstream: s.Platform, Probe: s.Health, Setting: "PLATFORM_UPSTREAM"}
	if strings.HasPrefix(s.Health, ":") {
		source.Fallback = stack.PlatformHealth
	}
	return source
}

// fixed returns a reverse proxy to an upstream that exists once and is not probed.
func (b *builder) fixed(idle time.Duration, address string) *reverseproxy.Handler {
	proxy := b.reverseProxy(idle)
	proxy.Upstreams = reverseproxy.UpstreamPool{{Dial: address}}
	return proxy
}

// reverseProxy returns what all upstreams have in common. What the application is
// told about the visitor is set here and not by a handler further ahead: a
// client can name any header in Connection, and the reverse proxy removes those
// before it comes to these.
func (b *builder) reverseProxy(idle time.Duration) *reverseproxy.Handler {
	request := &headers.HeaderOps{Set: http.Header{
		exchange.IDHeader:   {"{http.vars." + exchange.IDVar + "}"},
		"X-Real-Ip":         {"{http.vars." + caddyhttp.ClientIPVarKey + "}"},
		"X-Forwarded-Proto": {"{http.vars." + exchange.ProtoVar + "}"},
	}}
	if b.site.Base != "" {
		request.Set.Set("X-Forwarded-Prefix", b.site.Base)
	}
	transport := bulk.Transport{Transport: roundtrip.Transport{HTTPTransport: reverseproxy.HTTPTransport{
		DialTimeout: caddy.Duration(dialTimeout),
		KeepAlive: &reverseproxy.KeepAlive{
			MaxIdleConnsPerHost: idlePerUpstream,
			IdleConnTimeout:     caddy.Duration(idle),
		},
	}}}
	if b.s.Resolver != "" {
		transport.Resolver = &reverseproxy.UpstreamResolver{Addresses: []string{b.s.Resolver}}
	}
	return &reverseproxy.Handler{
		Headers:      &headers.Handler{Request: request},
		TransportRaw: module("protocol", &transport),
	}
}

package proxy

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/edge"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
)

const (
	// dialTimeout leaves a request whose upstream has vanished time for another.
	dialTimeout = time.Second
	// idlePerUpstream is how many idle connections are kept to an upstream.
	// Caddy's 32 cost a quarter of the throughput at 100 clients.
	idlePerUpstream = 256
	// socketBuffer is used twice per tunnel; messages of the sync protocol are
	// small, and ten thousand tunnels are not.
	socketBuffer = 4 << 10

	// JavaScript servers close idle connections after 5 (Node) or 10 (Bun)
	// seconds. A connection must leave our pool before that, or a request is
	// written into one that is just being closed.
	idleJavaScript = 4 * time.Second
	idleBackend    = time.Minute
)

// namedRoutes hold one reverse proxy per upstream, which the rows of the table
// share: one pool of connections and one prober each.
func (b *builder) namedRoutes() map[string]*caddyhttp.Route {
	backend := b.reverseProxy(idleBackend)
	backend.StreamBufferSize = socketBuffer
	b.probe(backend, b.s.Backend, "/version")
	platform := b.reverseProxy(idleJavaScript)
	b.probe(platform, b.s.Platform, b.s.Health)
	named := map[string]*caddyhttp.Route{
		string(Backend):  proxyRoute(backend),
		string(Platform): proxyRoute(platform),
		string(Dashboard): proxyRoute(b.fixed(idleJavaScript, b.s.Dashboard),
			handler("tale_admin_keys", edge.AdminKeys{})),
	}
	if b.s.HTTPActions == actionsOnSitePort {
		named[string(SitePort)] = proxyRoute(b.fixed(idleBackend, b.s.SitePort))
	}
	if b.s.MetricsToken != "" {
		named[string(Crawler)] = proxyRoute(b.fixed(idleJavaScript, b.s.Crawler))
		named[string(RAG)] = proxyRoute(b.fixed(idleJavaScript, b.s.RAG))
		named[string(Operator)] = proxyRoute(b.fixed(idleJavaScript, b.s.Operator))
	}
	return named
}

func proxyRoute(proxy *reverseproxy.Handler, before ...json.RawMessage) *caddyhttp.Route {
	return &caddyhttp.Route{HandlersRaw: append(before, handler("reverse_proxy", proxy))}
}

// probe gives a reverse proxy its upstream by name, each address probed.
func (b *builder) probe(proxy *reverseproxy.Handler, address, health string) {
	proxy.DynamicUpstreamsRaw = module("source", "probed", upstreams.Source{Upstream: address, Probe: health})
	proxy.LoadBalancing = upstreams.LoadBalancing()
}

// fixed is a reverse proxy to an upstream that exists once and is not probed.
func (b *builder) fixed(idle time.Duration, address string) *reverseproxy.Handler {
	proxy := b.reverseProxy(idle)
	proxy.Upstreams = reverseproxy.UpstreamPool{{Dial: address}}
	return proxy
}

// reverseProxy is what all upstreams have in common. What the application is
// told about the visitor is set here and not by a handler further ahead: a
// client can name any header in Connection, and the reverse proxy removes those
// before it comes to these.
func (b *builder) reverseProxy(idle time.Duration) *reverseproxy.Handler {
	request := &headers.HeaderOps{Set: http.Header{
		"X-Real-Ip":         {"{http.vars." + caddyhttp.ClientIPVarKey + "}"},
		"X-Forwarded-Proto": {"{http.vars." + edge.ProtoVar + "}"},
	}}
	if b.site.base != "" {
		request.Set.Set("X-Forwarded-Prefix", b.site.base)
	}
	return &reverseproxy.Handler{
		Headers: &headers.Handler{Request: request},
		TransportRaw: module("protocol", "http", reverseproxy.HTTPTransport{
			DialTimeout: caddy.Duration(dialTimeout),
			KeepAlive: &reverseproxy.KeepAlive{
				MaxIdleConnsPerHost: idlePerUpstream,
				IdleConnTimeout:     caddy.Duration(idle),
			},
		}),
	}
}

package caddyconf

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/health"
	"github.com/tale-project/tale-runtime/internal/proxy/target"
	"github.com/tale-project/tale-runtime/internal/stack"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/caddy/v2/modules/metrics"

	"github.com/tale-project/tale-runtime/internal/proxy/accesslog"
	"github.com/tale-project/tale-runtime/internal/proxy/bulk"
	"github.com/tale-project/tale-runtime/internal/proxy/limits"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/proxy/settings"
	"github.com/tale-project/tale-runtime/internal/proxy/visitor"
)

const (
	// maxHeaderBytes leaves room for the cookies of several single sign-on
	// providers; Caddy's own limit is 16 KiB.
	maxHeaderBytes = 64 << 10
	// readHeaderTimeout is for clients that open a connection and send nothing.
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	// writeIdleTimeout is how long a visitor may take for what is sent at once. A
	// collected piece of a large answer is four times what Caddy gives one minute for.
	writeIdleTimeout = 4 * time.Minute
)

// server returns what all servers have in common.
func (b *builder) server(address string, protocols ...string) *caddyhttp.Server {
	return &caddyhttp.Server{
		Listen:            []string{listenNetwork + "/" + address},
		Protocols:         protocols,
		ReadHeaderTimeout: caddy.Duration(readHeaderTimeout),
		IdleTimeout:       caddy.Duration(idleTimeout),
		MaxHeaderBytes:    maxHeaderBytes,
		// Certificates, redirects and connection policies are configured
		// explicitly, so that nothing depends on guesses about ports.
		AutoHTTPS: &caddyhttp.AutoHTTPSConfig{Disabled: true},
	}
}

// tlsServer serves the site over HTTPS.
func (b *builder) tlsServer() *caddyhttp.Server {
	server := b.siteServer(b.server(b.s.ListenAddress(b.s.HTTPSPort), "h1", "h2"))
	server.TLSConnPolicies = caddytls.ConnectionPolicies{{DefaultSNI: b.unnamed(), FallbackSNI: b.site.Name}}
	server.ListenerWrappersRaw = []json.RawMessage{counted(), module("wrapper", bulk.Listener{}), tlsWrapper()}
	server.WriteIdleTimeout = caddy.Duration(writeIdleTimeout)
	return server
}

// unnamed returns the name that is meant by who names none, as nobody can who visits an address.
func (b *builder) unnamed() string {
	for _, name := range b.site.Names {
		if net.ParseIP(name) != nil {
			return name
		}
	}
	return b.site.Name
}

// plainServer serves the site behind a TLS terminator. HTTP/1 only: over plain
// text no client needs HTTP/2, and without it Caddy keeps small buffers for sockets.
func (b *builder) plainServer() *caddyhttp.Server {
	server := b.siteServer(b.server(b.s.ListenAddress(b.s.HTTPPort), "h1"))
	server.ListenerWrappersRaw = []json.RawMessage{counted()}
	return server
}

func (b *builder) limitsApp() *limits.App {
	app := &limits.App{Connections: b.s.Connections, Uploads: b.s.Uploads}
	app.BodyRate, _ = settings.ParseSize(b.s.BodyRate)
	for _, network := range b.s.TrustedRanges() {
		app.Trusted = append(app.Trusted, netip.MustParsePrefix(network))
	}
	return app
}

// tlsWrapper stands where Caddy ends TLS; its type is not exported.
func tlsWrapper() json.RawMessage { return json.RawMessage(`{"wrapper":"tls"}`) }

// counted returns the wrapper of the listeners that visitors reach.
func counted() json.RawMessage { return module("wrapper", &limits.Listener{}) }

func (b *builder) siteServer(server *caddyhttp.Server) *caddyhttp.Server {
	server.Routes = b.siteRoutes()
	server.NamedRoutes = b.namedRoutes()
	server.Errors = &caddyhttp.HTTPErrorConfig{Routes: b.errorRoutes()}
	return server
}

// redirectServer sends plain HTTP to the site. ACME challenges are answered by
// Caddy before any route.
func (b *builder) redirectServer() *caddyhttp.Server {
	server := b.server(b.s.ListenAddress(b.s.HTTPPort), "h1")
	server.ListenerWrappersRaw = []json.RawMessage{counted()}
	port := ""
	if b.site.Port != "" {
		port = ":" + b.site.Port
	}
	server.Routes = caddyhttp.RouteList{
		b.passing(b.redirectedVisitor(), handler(target.Handler{}), b.accessLog(), b.responseHeaders()),
		route(match{caddyhttp.MatchPath{routes.HealthPath}}, handler(health.Handler{})),
		route(match{caddyhttp.MatchHost(b.s.Names())}, redirect(http.StatusPermanentRedirect, "https://{http.request.host}"+port+"{http.request.uri}")),
		// An unknown name is not repeated: the site's own address always works.
		route(nil, redirect(http.StatusPermanentRedirect, "https://"+b.site.Authority()+"{http.request.uri}")),
	}
	server.Errors = &caddyhttp.HTTPErrorConfig{Routes: b.errorRoutes()}
	return server
}

// healthServer answers the container's health check and the operator's metrics
// scraper on a port that is not published.
func (b *builder) healthServer() *caddyhttp.Server {
	server := b.server(b.s.HealthAddr, "h1")
	server.Routes = caddyhttp.RouteList{
		route(match{caddyhttp.MatchPath{routes.HealthPath}}, handler(health.Handler{Detail: true, Names: b.s.CertifiedNames()})),
		route(match{caddyhttp.MatchPath{"/metrics"}}, handler(metrics.Metrics{})),
		route(nil, respond(http.StatusNotFound)),
	}
	return server
}

func redirect(code int, location string) json.RawMessage {
	return handler(caddyhttp.StaticResponse{
		StatusCode: status(code),
		Headers:    http.Header{"Location": {location}},
	})
}

func status(code int) caddyhttp.WeakString { return caddyhttp.WeakString(strconv.Itoa(code)) }

// passing returns a route that every request goes through and on from.
func (b *builder) passing(handlers ...json.RawMessage) caddyhttp.Route {
	r := route(nil, handlers...)
	r.Terminal = false
	return r
}

// visitor must come before everything that asks who the visitor is.
func (b *builder) visitor() json.RawMessage { return handler(b.visitorHandler()) }

// redirectedVisitor returns the handler of the port that redirects to https.
func (b *builder) redirectedVisitor() json.RawMessage {
	redirected := b.visitorHandler()
	redirected.Redirects = true
	return handler(redirected)
}

func (b *builder) visitorHandler() visitor.Handler {
	h := visitor.Handler{Trusted: b.s.TrustedRanges(), Chain: b.s.TrustedProxies != "", Quiet: []string{routes.HealthPath}}
	if b.s.TLSMode == stack.TLSExternal { // else another name is refused
		h.Names = b.s.Names()
	}
	return h
}

// accessLog must come first of the handlers of routes and of error routes.
func (b *builder) accessLog() json.RawMessage {
	return handler(accesslog.Handler{Quiet: []string{routes.HealthPath}})
}

// match is a set of matchers, all of which must match.
type match []caddy.Module

// except matches what the matchers do not.
func except(matchers ...caddy.Module) caddy.Module {
	return caddyhttp.MatchNot{MatcherSetsRaw: []caddy.ModuleMap{modules(matchers...)}}
}

// route returns a terminal route; a nil match takes every request.
func route(m match, handlers ...json.RawMessage) caddyhttp.Route {
	r := caddyhttp.Route{HandlersRaw: handlers, Terminal: true}
	if len(m) > 0 {
		r.MatcherSetsRaw = caddyhttp.RawMatcherSets{modules(m...)}
	}
	return r
}

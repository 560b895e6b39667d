package caddyconf

import (
	"encoding/json"
	"maps"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/adminkeys"
	"github.com/tale-project/tale-runtime/internal/proxy/body"
	"github.com/tale-project/tale-runtime/internal/proxy/header"
	"github.com/tale-project/tale-runtime/internal/proxy/health"
	"github.com/tale-project/tale-runtime/internal/proxy/target"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	caddygzip "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"
	caddyzstd "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/zstd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/requestbody"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/timeouts"

	"github.com/tale-project/tale-runtime/internal/proxy/assets"
	"github.com/tale-project/tale-runtime/internal/proxy/limits"
	"github.com/tale-project/tale-runtime/internal/proxy/metricsgate"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/proxy/settings"
	"github.com/tale-project/tale-runtime/internal/proxy/visitor"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// MetricsToken is the name by which the configuration refers to the token that opens
// the metrics.
const MetricsToken = "metrics"

// socketPatience is how long a WebSocket over HTTP/2 may be silent. Caddy takes
// the socket for a request body, which it gives up after a minute.
const socketPatience = 30 * 24 * time.Hour

// siteRoutes returns the routes of the public server: what every request goes
// through, the table, and what happens to requests outside of it.
func (b *builder) siteRoutes() caddyhttp.RouteList {
	routes := append(b.extraSites(), b.passing(b.entryHandlers(b.closedRows(), b.site.Names)...))
	if b.s.TLSMode != stack.TLSExternal {
		routes = append(routes, route(match{except(caddyhttp.MatchHost(b.site.Names))}, refuse(http.StatusMisdirectedRequest, "this name is not served: SITE_URL, HOST and EXTRA_SITES name "+strings.Join(b.s.Names(), ", "))))
	}
	table := b.table.Rows()
	if b.site.Base == "" {
		return append(routes, b.tableRoutes(table)...)
	}
	return append(routes, b.underBasePath(table)...)
}

// underBasePath serves the table under the prefix, and without it only the rows
// that must answer at the root: health, and callbacks whose addresses the
// backend makes up itself. (ACME challenges never reach the routes.)
func (b *builder) underBasePath(table []routes.Row) caddyhttp.RouteList {
	var bare []routes.Row
	for _, row := range table {
		if row.Bare {
			bare = append(bare, row)
		}
	}
	base := b.site.Base
	routes := b.tableRoutes(bare)
	return append(routes,
		route(match{caddyhttp.MatchPath(twiceUnder(base))}, respond(http.StatusBadRequest)),
		route(match{caddyhttp.MatchPath{base}}, redirect(http.StatusPermanentRedirect, base+"/{http.request.uri.prefixed_query}")),
		route(match{caddyhttp.MatchPath{base + "/*"}},
			handler(target.BasePath{Prefix: base}),
			handler(caddyhttp.Subroute{Routes: b.tableRoutes(table)})),
		route(nil, refuse(http.StatusNotFound, "the site is served below "+base+"/ only (BASE_PATH)")),
	)
}

// tableRoutes makes Caddy routes of the rows; the operators' own routes go
// between the named paths and the web application, which takes the rest.
func (b *builder) tableRoutes(table []routes.Row) caddyhttp.RouteList {
	var routes caddyhttp.RouteList
	for _, row := range table {
		if len(row.Paths) == 0 && len(b.own) > 0 {
			routes = append(routes, b.own...)
		}
		routes = append(routes, b.rowRoutes(row)...)
	}
	return routes
}

// entryHandlers returns what every request of a site with these rows and names goes through
// first.
func (b *builder) entryHandlers(rows []target.Row, names []string) []json.RawMessage {
	forwarded := header.Forwarded{Claims: b.s.SignInHeaders(), Names: names}
	if b.s.TLSMode == stack.TLSExternal {
		forwarded.Scheme = b.site.Scheme
	}
	if b.s.Compression == settings.StripExtensions {
		forwarded.Drop = []string{"Sec-WebSocket-Extensions"}
	}
	handlers := []json.RawMessage{b.visitor(), handler(target.Handler{Rows: rows}), b.accessLog(), b.responseHeaders(), handler(body.Handler{}), handler(forwarded), handler(&limits.Handler{})}
	if size, _ := settings.ParseSize(b.s.MaxBody); size > 0 {
		handlers = append(handlers, handler(requestbody.RequestBody{MaxSize: size}))
	}
	return handlers
}

// rowRoutes makes one Caddy route of a row, with one ahead of it that turns
// visitors away when not everyone is let through.
func (b *builder) rowRoutes(row routes.Row) caddyhttp.RouteList {
	var routes caddyhttp.RouteList
	if len(row.Only) > 0 {
		outsiders := append(rowMatch(row), except(visitor.Matcher{Networks: row.Only}))
		routes = append(routes, route(outsiders, respond(http.StatusForbidden)))
	}
	return append(routes, route(rowMatch(row), b.rowHandlers(row)...))
}

func rowMatch(row routes.Row) (m match) {
	if len(row.Paths) > 0 {
		m = append(m, caddyhttp.MatchPath(row.Paths))
	}
	if row.Query != "" {
		m = append(m, caddyhttp.MatchQuery{row.Query: {"*"}})
	}
	if row.Authorization != "" {
		m = append(m, caddyhttp.MatchHeader{"Authorization": {row.Authorization + "*"}})
	}
	if row.AdminKey {
		m = append(m, adminkeys.Request{})
	}
	if row.Token {
		m = append(m, metricsgate.Bearer{Name: MetricsToken})
	}
	return m
}

func (b *builder) rowHandlers(row routes.Row) []json.RawMessage {
	switch {
	case row.To.Health:
		return []json.RawMessage{handler(health.Handler{})}
	case row.To.Location != "":
		return []json.RawMessage{redirect(http.StatusFound, row.To.Location+"{http.request.uri}")}
	case row.To.Status != 0:
		return []json.RawMessage{answer(row.To.Status, row.To.Header)}
	}
	forward := handler(target.Forward{Strip: row.Strip, Prefix: row.Prefix, Path: row.Path, Socket: row.Socket})
	if row.Socket {
		return []json.RawMessage{
			handler(timeouts.Timeouts{ReadTimeout: socketPatience}), forward,
			handler(caddyhttp.Invoke{Name: socketsOf(row.To.Upstream)}),
		}
	}
	invoke := handler(caddyhttp.Invoke{Name: string(row.To.Upstream)})
	validators := handler(header.Validators{Encodings: encodings()})
	if len(row.Paths) == 0 { // the web application
		return []json.RawMessage{validators, compress(), b.assets(), forward, invoke}
	}
	return []json.RawMessage{validators, compress(), forward, invoke}
}

// encodings returns what texts are compressed with, the preferred one first.
func encodings() []string { return []string{nameOf(caddyzstd.Zstd{}), nameOf(caddygzip.Gzip{})} }

// compress encodes texts. Event streams are left alone: an encoder may hold
// back an event until the next one comes.
func compress() json.RawMessage {
	types := strings.Fields(`text/html* text/css* text/plain* text/javascript* text/xml* text/markdown* text/csv* text/calendar*
		text/x-component* application/javascript* application/json* application/ld+json* application/manifest+json* application/xml*
		application/rss+xml* application/atom+xml* application/xhtml+xml* application/wasm* application/vnd.ms-fontobject*
		application/x-javascript* application/graphql+json* application/problem+json* application/geo+json*
		font/ttf* font/otf* image/svg+xml* image/vnd.microsoft.icon* image/x-icon*`)
	return handler(encode.Encode{
		EncodingsRaw: modules(caddyzstd.Zstd{}, caddygzip.Gzip{}),
		Prefer:       encodings(),
		Matcher:      &caddyhttp.ResponseMatcher{Headers: http.Header{"Content-Type": types}},
	})
}

// assets keeps the immutable files of the web application, which has the paths that no
// other row has. An operator's route may only add a header to some, so it counts as none.
func (b *builder) assets() json.RawMessage {
	limit, _ := settings.ParseSize(b.s.AssetsCache)
	var elsewhere []string
	for _, row := range b.table.Rows() {
		if row.Query == "" {
			elsewhere = append(elsewhere, row.Paths...)
		}
	}
	return handler(&assets.Handler{
		Folder: filepath.Join(b.s.DataDir, "assets"), Limit: limit, Upstream: b.s.Platform,
		Host: b.site.Authority(), Scheme: b.site.Scheme, BasePath: b.site.Base,
		Elsewhere: elsewhere,
	})
}

// respond answers with a status, in words for people who look at the body.
func respond(code int) json.RawMessage { return answer(code, nil) }

// answer answers as respond does, with more headers. A cache in front must not keep for
// one visitor what another was refused.
func answer(code int, more http.Header) json.RawMessage {
	header := http.Header{"Cache-Control": {"no-store"}}
	maps.Copy(header, more)
	return handler(caddyhttp.StaticResponse{StatusCode: status(code), Body: inWords(code), Headers: header})
}

// refuse answers as respond does; why is for the log.
func refuse(code int, why string) json.RawMessage {
	return handler(caddyhttp.StaticError{Error: why, StatusCode: status(code)})
}

func inWords(code int) string { return strconv.Itoa(code) + " " + http.StatusText(code) + "\n" }

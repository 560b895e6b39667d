package caddyconf

import (
	"net/http"

	"github.com/tale-project/tale-runtime/internal/proxy/body"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/maintenance"
)

// errorRoutes answer what the site's routes could not: for an upstream that is
// away with the maintenance page, for the rest with the status in words.
func (b *builder) errorRoutes() caddyhttp.RouteList {
	plain := caddyhttp.StaticResponse{
		StatusCode: "{http.error.status_code}",
		Headers:    http.Header{"Cache-Control": {"no-store"}},
		Body:       "{http.error.status_code} {http.error.status_text}\n",
	}
	routes := caddyhttp.RouteList{b.passing(b.accessLog(), b.responseHeaders(), handler(body.Handler{}))}
	routes = append(routes, b.extraMaintenance()...)
	return append(routes, route(nil, handler(b.maintenance(b.site.Base, b.s.Platform)), handler(plain)))
}

// maintenance returns the page of the site that starts at the base path and whose
// pages the upstream has.
func (b *builder) maintenance(base, upstream string) maintenance.Handler {
	page := maintenance.Handler{Name: b.s.Maintenance.Name, Link: b.s.Maintenance.Link, BasePath: base, Upstream: upstream}
	page.Logo, _ = b.s.Maintenance.LogoURI() // an error is a problem of the settings
	return page
}

package caddyconf

import (
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/header"
	"github.com/tale-project/tale-runtime/internal/proxy/health"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/proxy/target"
)

// extraSites returns a route for each site beside the main one, to stand ahead of
// everything that is the main site's: its table, its base path, its operator's routes,
// its kept assets. What guards visitors and the proxy is the same.
func (b *builder) extraSites() caddyhttp.RouteList {
	var sites caddyhttp.RouteList
	for _, site := range b.table.Sites {
		sites = append(sites, route(match{caddyhttp.MatchHost{site.Host}}, handler(caddyhttp.Subroute{Routes: caddyhttp.RouteList{
			b.passing(b.entryHandlers(nil, []string{site.Host})...),
			route(match{caddyhttp.MatchPath{routes.HealthPath}}, handler(health.Handler{})),
			route(nil,
				handler(header.Validators{Encodings: encodings()}), compress(), handler(target.Forward{}),
				handler(caddyhttp.Invoke{Name: string(site.Upstream())})),
		}})))
	}
	return sites
}

// extraMaintenance answers for extra sites that are away: their start is the root,
// whatever that of the main site is, and nothing is known of their updates.
func (b *builder) extraMaintenance() caddyhttp.RouteList {
	hosts := caddyhttp.MatchHost(b.s.Hosts())
	if len(hosts) == 0 {
		return nil
	}
	away := route(match{hosts}, handler(b.maintenance("", "")))
	away.Terminal = false // other errors go on
	return caddyhttp.RouteList{away}
}

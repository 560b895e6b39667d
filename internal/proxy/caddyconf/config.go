package caddyconf

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/filestorage"

	"github.com/tale-project/tale-runtime/internal/proxy/h3"
	"github.com/tale-project/tale-runtime/internal/proxy/logbridge"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/proxy/settings"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// New returns the whole configuration that Caddy runs for the settings and the
// operator's own routes. It holds no secret: modules that need one have it from the
// process.
func New(s *settings.Settings, own caddyhttp.RouteList) *caddy.Config {
	b := builder{s: s, site: s.Address(), table: s.Table(), own: own}
	apps := []caddy.Module{b.httpApp(), b.tlsApp(), b.limitsApp()}
	if s.TLSMode != stack.TLSExternal {
		apps = append(apps, b.pkiApp())
	}
	if s.OffersHTTP3() {
		apps = append(apps, &h3.App{Server: siteServerName, Listen: s.ListenAddress(s.HTTPSPort)})
	}
	persist := false
	return &caddy.Config{
		// The admin endpoint would show the configuration to every process that
		// reaches it, and could change it.
		Admin: &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: &persist}},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{
			WriterRaw: module("output", caddy.DiscardWriter{}),
			CoreRaw:   module("module", &logbridge.Core{}),
		}}}},
		StorageRaw: module("module", filestorage.FileStorage{Root: s.StorageRoot()}),
		AppsRaw:    modules(apps...),
	}
}

// builder makes the parts of the configuration.
type builder struct {
	s     *settings.Settings
	site  stack.Address
	table routes.Table
	own   caddyhttp.RouteList // the operator's
}

// siteServerName names the server that visitors reach.
const siteServerName = "site"

func (b *builder) httpApp() caddyhttp.App {
	servers := map[string]*caddyhttp.Server{"health": b.healthServer()}
	if b.s.TLSMode == stack.TLSExternal {
		servers[siteServerName] = b.plainServer()
	} else {
		servers[siteServerName] = b.tlsServer()
		servers["redirect"] = b.redirectServer()
	}
	return caddyhttp.App{
		HTTPPort:    b.s.HTTPPort,
		HTTPSPort:   b.s.HTTPSPort,
		GracePeriod: caddy.Duration(b.s.Grace),
		Servers:     servers,
	}
}

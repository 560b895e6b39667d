package caddyconf

// The Caddy modules that are linked into the proxy. Importing one registers it;
// anything not listed here does not exist in the binary, which keeps it some
// 15 MB smaller than stock Caddy and keeps unused parts out of reach.
import (
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"              // HTTP servers, matchers, subroutes, static answers
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"       // response compression …
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"  // … for every client
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/zstd"  // … for current browsers, preferred
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"      // header operations, also inside reverse_proxy
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/requestbody"  // MAX_BODY
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy" // the proxy itself
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"      // path stripping; operators' snippets
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/timeouts"     // sockets over HTTP/2 may be idle for long
	_ "github.com/caddyserver/caddy/v2/modules/caddypki"               // the local authority of TLS_MODE=selfsigned
	_ "github.com/caddyserver/caddy/v2/modules/caddytls"               // certificates and their renewal
	_ "github.com/caddyserver/caddy/v2/modules/caddytls/standardstek"  // session ticket keys; caddytls loads them by name
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"            // certificates and keys in files
	_ "github.com/caddyserver/caddy/v2/modules/metrics"                // /metrics on the health listener

	_ "github.com/tale-project/tale-runtime/internal/proxy/accesslog"   // one line per request
	_ "github.com/tale-project/tale-runtime/internal/proxy/adminkeys"   // which must not get out, or in from everywhere
	_ "github.com/tale-project/tale-runtime/internal/proxy/assets"      // immutable files of the web application
	_ "github.com/tale-project/tale-runtime/internal/proxy/body"        // faults of a visitor's body
	_ "github.com/tale-project/tale-runtime/internal/proxy/bulk"        // large answers at less cost
	_ "github.com/tale-project/tale-runtime/internal/proxy/h3"          // HTTP/3, its connections counted
	_ "github.com/tale-project/tale-runtime/internal/proxy/header"      // what is believed, and what every answer carries
	_ "github.com/tale-project/tale-runtime/internal/proxy/health"      // the proxy's own health
	_ "github.com/tale-project/tale-runtime/internal/proxy/issuer"      // ACME with patience; the local authority
	_ "github.com/tale-project/tale-runtime/internal/proxy/limits"      // what one visitor can hold
	_ "github.com/tale-project/tale-runtime/internal/proxy/logbridge"   // Caddy's log in our shape
	_ "github.com/tale-project/tale-runtime/internal/proxy/maintenance" // answers for upstreams that are away
	_ "github.com/tale-project/tale-runtime/internal/proxy/metricsgate" // the token that opens /metrics
	_ "github.com/tale-project/tale-runtime/internal/proxy/target"      // one form of a target, and paths for upstreams
	_ "github.com/tale-project/tale-runtime/internal/proxy/tunnel"      // WebSockets at little cost
	_ "github.com/tale-project/tale-runtime/internal/proxy/upstreams"   // blue/green upstreams
	_ "github.com/tale-project/tale-runtime/internal/proxy/visitor"     // who asks
)

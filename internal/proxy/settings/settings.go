// Package settings is everything that an operator can set on the proxy, the checks
// of it, and what follows from it: names, networks, paths, the route table. It
// opens nothing and changes nothing.
package settings

import (
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// defaultSiteDir is the default of PROXY_SITE_DIR.
const defaultSiteDir = "/config/site.d"

// letsEncryptDirectory is the default of ACME_DIRECTORY.
const letsEncryptDirectory = "https://acme-v02.api.letsencrypt.org/directory"

const (
	on  = "on"
	off = "off"

	actionsOnBackend  = "backend"
	actionsOnSitePort = "site-port"

	// StripExtensions is the value of WEBSOCKET_COMPRESSION that allows none.
	StripExtensions = "strip"
	passExtensions  = "pass"
)

// Settings are everything an operator can set on the proxy. The names that
// carry no prefix are shared with the other services.
type Settings struct {
	logging.Settings

	stack.Site
	stack.ExtraSites

	TLSEmail      string        `env:"TLS_EMAIL" tier:"operator" doc:"Contact address for the ACME account; none is made up when it is empty." accept:"an e-mail address"`
	ACMEDirectory string        `env:"ACME_DIRECTORY" envDefault:"https://acme-v02.api.letsencrypt.org/directory" doc:"Directory URL of the ACME authority." accept:"an https URL"`
	ACMERootFile  string        `env:"ACME_CA_ROOT" doc:"PEM file with the root certificate of a private ACME authority's own https endpoint." accept:"a file path"`
	ACMEKeyID     string        `env:"ACME_EAB_KEY_ID" doc:"Key identifier of an external account binding, which some ACME authorities ask for." accept:"the identifier the authority gave out"`
	ACMEKey       config.Secret `env:"ACME_EAB_HMAC_KEY" secret:"true" doc:"Key of the external account binding." accept:"base64url text, as the authority gave it out"`

	HTTPPort    int    `env:"HTTP_PORT" tier:"advanced" envDefault:"80" doc:"Port for plain HTTP: redirects and ACME challenges, or everything when TLS_MODE is external." accept:"a port from 1 to 65535"`
	HTTPSPort   int    `env:"HTTPS_PORT" tier:"advanced" envDefault:"443" doc:"Port for HTTPS; not used when TLS_MODE is external." accept:"a port from 1 to 65535"`
	BindAddress string `env:"PROXY_BIND_ADDRESS" tier:"advanced" doc:"Address the two ports are opened on; empty means all." accept:"an IP address"`
	HealthAddr  string `env:"PROXY_HEALTH_ADDR" tier:"advanced" envDefault:":2020" doc:"Listen address of the container's own health check and metrics." accept:"host:port or :port"`
	HTTP3       string `env:"HTTP3" tier:"operator" envDefault:"off" doc:"Offer HTTP/3. Turn it on only where the UDP port is published too." accept:"on, off"`

	DataDir     string `env:"PROXY_DATA_DIR" tier:"advanced" envDefault:"/data" doc:"Folder for certificates and keys, and for the files that ASSETS_CACHE is about." accept:"a writable folder"`
	AssetsCache string `env:"ASSETS_CACHE" envDefault:"512MB" doc:"How much of the data folder the kept files of the web application may take: immutable ones (hashed names, or Cache-Control: immutable), compressed once, there for pages of an old version after a switch. 0 turns it off." accept:"a size such as 512MB; 0 for none"`
	CAExportDir string `env:"PROXY_CA_EXPORT_DIR" tier:"advanced" doc:"Folder that gets a copy of the root certificate (root.crt) for other containers; no keys." accept:"a writable folder"`
	SiteDir     string `env:"PROXY_SITE_DIR" tier:"advanced" envDefault:"/config/site.d" empty:"keep" doc:"Folder with *.caddy files of Caddyfile directives that become routes ahead of the web application; empty turns it off." accept:"a folder"`

	Backend   string `env:"CONVEX_UPSTREAM" tier:"advanced" envDefault:"convex:3210" doc:"Convex backend." accept:"host:port"`
	SitePort  string `env:"CONVEX_SITE_UPSTREAM" tier:"advanced" envDefault:"convex:3211" doc:"Convex HTTP-action port, used when HTTP_ACTIONS_UPSTREAM is site-port." accept:"host:port"`
	Dashboard string `env:"DASHBOARD_UPSTREAM" tier:"advanced" envDefault:"convex:6791" doc:"Convex dashboard." accept:"host:port"`
	Platform  string `env:"PLATFORM_UPSTREAM" tier:"advanced" envDefault:"platform:3000" doc:"Web application; every address its name resolves to is probed and used by itself." accept:"host:port"`
	Health    string `env:"PLATFORM_HEALTH" tier:"advanced" envDefault:"/api/health" doc:"What is probed on each of those addresses: a path, or a port and a path." accept:"/path or :port/path"`
	Crawler   string `env:"METRICS_CRAWLER_UPSTREAM" tier:"advanced" envDefault:"crawler:8002" doc:"Where /metrics/crawler comes from." accept:"host:port"`
	RAG       string `env:"METRICS_RAG_UPSTREAM" tier:"advanced" envDefault:"rag:8001" doc:"Where /metrics/rag comes from." accept:"host:port"`
	Operator  string `env:"METRICS_OPERATOR_UPSTREAM" tier:"advanced" envDefault:"operator:8004" doc:"Where /metrics/operator comes from." accept:"host:port"`

	Resolver string `env:"UPSTREAM_RESOLVER" tier:"advanced" doc:"Name server that knows these names, if the system's does not. Default: the system's." accept:"host:port"`

	HTTPActions    string        `env:"HTTP_ACTIONS_UPSTREAM" tier:"advanced" envDefault:"backend" doc:"Port that serves HTTP actions: the backend itself, or the HTTP-action port, which answers four requests at once." accept:"backend, site-port"`
	MetricsToken   config.Secret `env:"METRICS_BEARER_TOKEN" tier:"operator" secret:"true" doc:"Token that opens /metrics/…; without it those paths stay closed." accept:"any text"`
	TrustedProxies string        `env:"TRUSTED_PROXIES" tier:"operator" doc:"Proxies in front whose X-Forwarded-* and sign-in headers are believed, the visitor being the last address of X-Forwarded-For that is not in this list. Default: none; when TLS_MODE is external, any private address that connects, the visitor being the last address of X-Forwarded-For, private or not." accept:"addresses and networks, comma separated; private_ranges; none"`
	DashboardAllow string        `env:"DASHBOARD_ALLOW" tier:"operator" doc:"Visitors who may reach the Convex dashboard and its admin API. Default: everyone. An admin key that is sent inside a WebSocket of the app is not seen by the proxy." accept:"addresses and networks, comma separated; private_ranges"`
	stack.SignIn
	MaxBody     string `env:"MAX_BODY" tier:"operator" doc:"Largest request body. Default: no limit other than the backend's own." accept:"a size such as 200MB; 0 for no limit"`
	Connections int    `env:"VISITOR_CONNECTIONS" envDefault:"4096" doc:"Most connections of one visitor network (an IPv4 address, an IPv6 /64), and most requests that it has under way. Whatever it is, one network gets at most half of what the limits of memory and open files leave room for." accept:"a whole number; 0 for no limit but that half"`
	Uploads     int    `env:"VISITOR_UPLOADS" envDefault:"200" doc:"Most request bodies of one visitor network that take longer than five seconds, at a time." accept:"a whole number; 0 for no limit but half of what there is room for"`
	BodyRate    string `env:"VISITOR_BODY_RATE" envDefault:"500B" doc:"Bytes per second that a request body must bring on average, after 20 seconds; slower ones are ended with 408." accept:"a size such as 2KB; 0 for no least rate"`
	Compression string `env:"WEBSOCKET_COMPRESSION" tier:"advanced" envDefault:"strip" doc:"Whether WebSocket compression may be negotiated through the proxy." accept:"strip, pass"`
	Maintenance Maintenance
	stack.StopGrace
}

package routes

import (
	"net/http"
	"slices"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// HealthPath is answered by every server of the proxy itself.
const HealthPath = stack.ProxyHealthPath

// Table is the public route table of a site, by what it depends on.
type Table struct {
	Base      string              // the path under which the site lies, "" for its root
	Only      []string            // networks that may reach the dashboard and its admin API; none: everyone may
	SitePort  bool                // HTTP actions go to the port made for them
	Metrics   bool                // there is a token that opens the metrics
	Addresses map[Upstream]string // where the upstreams are, for the text
	Sites     []Site              // on host names of their own, which the rows are not for
}

// Site is a site beside the main one. All of it but HealthPath goes to one upstream,
// which is called as the site.
type Site struct{ Host, Address, Health string }

// Upstream returns where the site's requests go.
func (s Site) Upstream() Upstream { return Upstream(s.Host) }

// Row is one row of a Table. Rows are tried in order and the
// first that matches takes the request. Paths match in any letter case, after
// percent-decoding and cleaning, and may hold * as Caddy's path matcher does.
type Row struct {
	Row   int      // its number in the table of public routes
	Paths []string // none: every path

	Query         string   // a query parameter that must be there
	Authorization string   // what that request header must begin with
	AdminKey      bool     // an admin key must be presented, in any way the backend takes one
	Token         bool     // the metrics token must be presented
	Only          []string // networks of the visitors let through; others get 403

	To     Target
	Strip  string // prefix taken off the path
	Prefix string // prefix put before the path that is left
	Path   string // replaces the path

	Socket bool // a WebSocket may be opened here, and nowhere else
	Bare   bool // answers without BASE_PATH, too

	Note string
}

// Target is where a row sends its requests: an upstream, a redirect, or an
// answer of the proxy's own.
type Target struct {
	Upstream Upstream
	Location string // of a temporary redirect; the request's own path and query follow
	Health   bool   // the proxy's own health
	Status   int
	Header   http.Header
}

// Upstream names one of the servers behind the proxy.
type Upstream string

// The upstreams.
const (
	Backend   Upstream = "backend"
	SitePort  Upstream = "site-port"
	Dashboard Upstream = "dashboard"
	Platform  Upstream = "platform"
	Crawler   Upstream = "crawler"
	RAG       Upstream = "rag"
	Operator  Upstream = "operator"
)

// IsUpstream reports whether one of the main site's upstreams has the name.
func IsUpstream(name string) bool {
	return slices.Contains([]Upstream{Backend, SitePort, Dashboard, Platform, Crawler, RAG, Operator, "none"}, Upstream(name))
}

// Rows returns the rows in the order in which they are tried. HTTP actions take the
// backend's own /http prefix, because the port made for them answers four
// requests at once and does nothing but forward there.
func (t Table) Rows() []Row {
	actions, actionsPrefix := Target{Upstream: Backend}, "/http"
	if t.SitePort {
		actions, actionsPrefix = Target{Upstream: SitePort}, ""
	}
	toBackend, toDashboard := Target{Upstream: Backend}, Target{Upstream: Dashboard}
	rows := []Row{
		{Row: 1, Paths: []string{HealthPath}, To: Target{Health: true}, Bare: true, Note: "never goes upstream; with ?deep, whether upstreams are available"},
		{Row: 2, Paths: []string{"/ws_api/api/sync", "/ws_api/api/*/sync"}, To: toBackend, Strip: "/ws_api", Socket: true, Note: "sync of the app"},
		{Row: 2, Paths: clientLibraryPaths(), AdminKey: true, To: toBackend, Strip: "/ws_api", Only: t.Only, Note: "the same, as an admin"},
		{Row: 2, Paths: clientLibraryPaths(), To: toBackend, Strip: "/ws_api", Note: "requests of the client library"},
		{Row: 2, Paths: []string{"/ws_api", "/ws_api/*"}, To: answer(http.StatusNotFound), Note: "the rest of the backend stays inside"},
		{Row: 3, Paths: []string{"/api/*/sync"}, To: toBackend, Socket: true, Only: t.Only, Note: "sync of dashboard and CLI"},
		{Row: 4, Paths: []string{"/http_api/metrics", "/http_api/metrics/*"}, To: answer(http.StatusNotFound), Note: "the HTTP-action port would answer with its own metrics"},
		{Row: 4, Paths: []string{"/http_api/*"}, To: actions, Strip: "/http_api", Prefix: actionsPrefix, Note: "HTTP actions"},
		{Row: 5, Paths: []string{"/convex-logo-only.svg", "/convex-light.svg", "/apple-touch-icon.png"}, To: toDashboard, Prefix: "/convex-dashboard", Note: "assets that dashboard pages ask for at the root"},
		{Row: 6, Paths: dashboardTabs(), Query: "component", To: Target{Location: t.Base + "/convex-dashboard"}, Note: "dashboard tabs opened without their prefix"},
		{Row: 7, Paths: []string{"/convex-dashboard*"}, To: toDashboard, Only: t.Only},
		{Row: 8, Paths: []string{"/api/actions/*"}, To: toBackend, Bare: true, Note: "callbacks of node actions"},
		{Row: 9, Paths: []string{"/api/storage/*"}, To: toBackend, Bare: true, Note: "uploads and downloads"},
		{Row: 10, Paths: []string{"/api/*"}, Authorization: "Convex ", To: toBackend, Only: t.Only, Note: "admin API of dashboard and CLI"},
		{Row: 10, Paths: []string{"/api/run_test_function"}, To: toBackend, Only: t.Only, Note: "the dashboard's custom query, whose admin key is in the body"},
		{Row: 11, Paths: []string{"/api/*"}, To: actions, Prefix: actionsPrefix, Note: "HTTP actions"},
	}
	if len(t.Only) == 0 { // then admin keys make no difference there
		rows = slices.DeleteFunc(rows, func(r Row) bool { return r.AdminKey })
	}
	rows = append(rows, t.metricsRows()...)
	return append(rows, Row{Row: 14, To: Target{Upstream: Platform}, Note: "the web application"})
}

// metricsRows opens the metrics to requests with the token; without a configured
// token all of them are refused.
func (t Table) metricsRows() []Row {
	var rows []Row
	if t.Metrics {
		rows = []Row{
			{Row: 12, Paths: []string{"/metrics/crawler"}, Token: true, To: Target{Upstream: Crawler}, Path: "/metrics"},
			{Row: 12, Paths: []string{"/metrics/rag"}, Token: true, To: Target{Upstream: RAG}, Path: "/metrics"},
			{Row: 12, Paths: []string{"/metrics/operator"}, Token: true, To: Target{Upstream: Operator}, Path: "/metrics"},
			{Row: 12, Paths: []string{"/metrics/platform"}, Token: true, To: Target{Upstream: Platform}, Path: "/metrics"},
			{Row: 12, Paths: []string{"/metrics/convex"}, Token: true, To: Target{Upstream: Platform}, Path: "/metrics/convex"},
		}
	}
	closed := answer(http.StatusUnauthorized)
	closed.Header = http.Header{"WWW-Authenticate": {"Bearer"}}
	return append(rows, Row{Row: 13, Paths: []string{"/metrics", "/metrics/*"}, To: closed, Note: "also when no token is configured"})
}

// clientLibraryPaths returns what the convex package's browser and HTTP clients ask
// of the deployment address they are given (convex/src/browser, the same from
// 1.32.0 to 1.48.0), and file storage, whose URLs the backend builds from that address.
func clientLibraryPaths() []string {
	return []string{
		"/ws_api/api/query", "/ws_api/api/query_ts", "/ws_api/api/query_at_ts",
		"/ws_api/api/mutation", "/ws_api/api/action", "/ws_api/api/function",
		"/ws_api/api/debug_event", "/ws_api/api/storage/*",
	}
}

func dashboardTabs() []string {
	var paths []string
	for _, tab := range []string{"/data", "/functions", "/logs", "/history", "/settings", "/files", "/schedules", "/schema"} {
		paths = append(paths, tab, tab+"/*")
	}
	return paths
}

func answer(status int) Target { return Target{Status: status} }

package stack

import (
	"slices"
	"strconv"
)

// Rule says what a service gets of a variable that has no value, or an empty one.
type Rule int

// What a service gets where the variable has no value.
const (
	OrDefault Rule = iota // the default, which may be empty
	IfSet                 // not the variable at all; an empty one counts as set
	Required              // it does not start
	Always                // the default, whatever the value is
)

// Given is a variable that a service gets from those who run the stack.
type Given struct {
	Name    string
	From    string // the variable that has the value, where it is another one
	Default string
	Rule    Rule
}

// Source returns the variable that has the value.
func (g Given) Source() string {
	if g.From != "" {
		return g.From
	}
	return g.Name
}

// Variables that are read where the stack is started and by no service.
const (
	PublishHTTP  = "PUBLISH_HTTP"
	PublishHTTPS = "PUBLISH_HTTPS"
	Registry     = "TALE_REGISTRY"
	OldRegistry  = "GHCR_REGISTRY" // of the first deploy tool
	Version      = "TALE_VERSION"
	Colour       = "TALE_COLOUR"
)

// Variables returns the name of every variable that the stack reads, sorted.
func Variables() []string {
	names := []string{PublishHTTP, PublishHTTPS, Registry, OldRegistry}
	for _, service := range Services() {
		for _, given := range service.Environment {
			if given.Rule != Always {
				names = append(names, given.Source())
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func or(name, value string) Given     { return Given{Name: name, Default: value} }
func always(name, value string) Given { return Given{Name: name, Default: value, Rule: Always} }

func each(rule Rule, names ...string) (given []Given) {
	for _, name := range names {
		given = append(given, Given{Name: name, Rule: rule})
	}
	return given
}

// Where a stack is tried out, tale init or make env writes its address beside the secrets.
func siteGiven() []Given {
	return []Given{
		or("HOST", "tale.local"), {Name: "SITE_URL", Rule: Required}, or("BASE_PATH", ""), or("TLS_MODE", TLSSelfSigned),
		or(Version, "dev"), or("TALE_LOG_FORMAT", "console"), or("TALE_LOG_LEVEL", "info"),
	}
}

// bootGiven returns what both entrypoints get. A container that failed for good can be asked
// for a while, which whoever waits for it reads and does not wait for.
func bootGiven() []Given { return []Given{or("HOLD_AFTER_FAILURE", "5m")} }

func instanceGiven() []Given {
	return []Given{or("INSTANCE_NAME", "tale_platform"), {Name: "INSTANCE_SECRET", Rule: Required}}
}

// databaseGiven asks for a password; with an external server or an embedded database
// there is none to have.
func databaseGiven() []Given {
	return []Given{
		or("DB_USER", "tale"), {Name: "DB_PASSWORD", Rule: Required}, or("DB_HOST", DB), or("DB_PORT", "5432"), or("POSTGRES_URL", ""),
	}
}

func dbGiven() []Given {
	return []Given{
		{Name: "POSTGRES_USER", From: "DB_USER", Default: "tale"},
		{Name: "POSTGRES_PASSWORD", From: "DB_PASSWORD", Rule: Required},
		always("POSTGRES_DB", "tale"),
		{Name: "INSTANCE_NAME", Rule: IfSet}, // its database is made at the first start
	}
}

func convexGiven() []Given {
	return slices.Concat(siteGiven(), bootGiven(), instanceGiven(), databaseGiven(), []Given{
		always("CADDY_CA_CERT_PATH", "/proxy-ca/root.crt"), or("FORCE_SEED", ""), or("SENTRY_DSN", ""),
	})
}

func platformGiven() []Given {
	return slices.Concat(siteGiven(), bootGiven(), instanceGiven(), databaseGiven(),
		// PORT is a name that others use, too: the .env of official self-hosting has its
		// backend's there, and the proxy would not find the web server.
		[]Given{always("CONVEX_URL", "http://convex:3210"), always("PORT", strconv.Itoa(PlatformPort))},
		each(Required, "BETTER_AUTH_SECRET", "ENCRYPTION_SECRET_HEX"),
		each(OrDefault, "CONVEX_RUN_AFTER_DEPLOY", "CONVEX_ENV_SYNC_EXTRA",
			"AUTH_MICROSOFT_ENTRA_ID_ID", "AUTH_MICROSOFT_ENTRA_ID_SECRET", "AUTH_MICROSOFT_ENTRA_ID_TENANT_ID", "AUTH_MICROSOFT_ENTRA_ID_ISSUER",
			"TRUSTED_HEADERS_ENABLED", "TRUSTED_HEADERS_INTERNAL_SECRET",
			"TRUSTED_EMAIL_HEADER", "TRUSTED_NAME_HEADER", "TRUSTED_ROLE_HEADER", "TRUSTED_TEAMS_HEADER",
			"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE", "RAG_DATABASE_URL", "CRAWLER_DATABASE_URL", "OPERATOR_URL", "DEBUG_MODE"),
		[]Given{or("RAG_URL", "http://rag:8001"), or("CRAWLER_URL", "http://crawler:8002"), or("SEARCH_SERVICE_URL", "http://search:8080")})
}

// What faces the internet does not get the secrets of the others: this is all that the
// proxy gets.
func proxyGiven() []Given {
	return slices.Concat(siteGiven(),
		each(OrDefault, "TLS_EMAIL", "ACME_DIRECTORY", "METRICS_BEARER_TOKEN", "TRUSTED_PROXIES", "DASHBOARD_ALLOW", "EXTRA_SITES",
			"TRUSTED_EMAIL_HEADER", "TRUSTED_NAME_HEADER", "TRUSTED_ROLE_HEADER", "TRUSTED_TEAMS_HEADER", "MAX_BODY"),
		each(IfSet, "ACME_CA_ROOT", "ACME_EAB_KEY_ID", "ACME_EAB_HMAC_KEY",
			"METRICS_CRAWLER_UPSTREAM", "METRICS_RAG_UPSTREAM", "METRICS_OPERATOR_UPSTREAM",
			"MAINTENANCE_NAME", "MAINTENANCE_LOGO", "MAINTENANCE_LINK", "ASSETS_CACHE", "VISITOR_CONNECTIONS", "VISITOR_UPLOADS", "VISITOR_BODY_RATE", "WEBSOCKET_COMPRESSION",
			"HTTP_ACTIONS_UPSTREAM", "CONVEX_UPSTREAM", "CONVEX_SITE_UPSTREAM", "DASHBOARD_UPSTREAM", "PLATFORM_UPSTREAM",
			"UPSTREAM_RESOLVER", "PROXY_BIND_ADDRESS", "PROXY_SITE_DIR", "SHUTDOWN_GRACE_SECONDS"),
		// The entrypoint's status port knows more than the web server: a colour that is
		// still deploying is not ready.
		[]Given{always("PLATFORM_HEALTH", ":9180/readyz"), or("HTTP3", "on")})
}

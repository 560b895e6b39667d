package platform

import (
	"cmp"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Kind is what a pushed variable holds.
type Kind string

// The kinds of pushed variables.
const (
	KindSecret Kind = "secret"
	KindURL    Kind = "URL"
	KindPath   Kind = "path" // inside the convex container
	KindPlain  Kind = "plain"
)

// Variable is one variable of the deployment that this service owns: it is set
// when there is a value and removed when there is none.
type Variable struct {
	Name  string
	Kind  Kind
	Value func(VariableSettings) string
}

// Variables returns the table of everything that is pushed. Values are sacred bytes:
// what the environment holds arrives exactly, unless the row says otherwise.
func Variables() []Variable {
	return []Variable{
		{"BETTER_AUTH_SECRET", KindSecret, func(s VariableSettings) string { return s.BetterAuthSecret.Reveal() }},
		{"ENCRYPTION_SECRET_HEX", KindSecret, func(s VariableSettings) string { return s.EncryptionSecretHex.Reveal() }},
		{"AUTH_MICROSOFT_ENTRA_ID_SECRET", KindSecret, func(s VariableSettings) string { return s.EntraSecret.Reveal() }},
		{"TRUSTED_HEADERS_INTERNAL_SECRET", KindSecret, func(s VariableSettings) string { return s.TrustedHeadersSecret.Reveal() }},
		{"SOPS_AGE_KEY", KindSecret, func(s VariableSettings) string { return s.SopsAgeKey.Reveal() }},
		{"POSTGRES_URL", KindSecret, func(s VariableSettings) string { return s.Database.URL() }},
		{"RAG_DATABASE_URL", KindSecret, VariableSettings.ragDatabaseURL},
		// Functions append paths to it, so it has no trailing slash.
		{"SITE_URL", KindURL, func(s VariableSettings) string { return strings.TrimRight(strings.TrimSpace(s.Site.SiteURL), "/") }},
		{"CRAWLER_URL", KindURL, func(s VariableSettings) string { return s.CrawlerURL }},
		{"RAG_URL", KindURL, func(s VariableSettings) string { return s.RagURL }},
		{"SEARCH_SERVICE_URL", KindURL, func(s VariableSettings) string { return s.SearchServiceURL }},
		{"OPERATOR_URL", KindURL, func(s VariableSettings) string { return s.OperatorURL }},
		{"AUTH_MICROSOFT_ENTRA_ID_ISSUER", KindURL, func(s VariableSettings) string { return s.EntraIssuer }},
		{"BASE_PATH", KindPath, func(s VariableSettings) string { return s.Site.BasePath }},
		// Whatever the host side says: functions see the convex container's files.
		{"TALE_CONFIG_DIR", KindPath, func(VariableSettings) string { return convexDataDir }},
		{"SOPS_AGE_KEY_FILE", KindPath, func(s VariableSettings) string { return s.SopsAgeKeyFile }},
		{"AUTH_MICROSOFT_ENTRA_ID_ID", KindPlain, func(s VariableSettings) string { return s.EntraID }},
		{"AUTH_MICROSOFT_ENTRA_ID_TENANT_ID", KindPlain, func(s VariableSettings) string { return s.EntraTenantID }},
		{"TRUSTED_HEADERS_ENABLED", KindPlain, func(s VariableSettings) string { return s.TrustedHeadersEnabled }},
		{"TRUSTED_EMAIL_HEADER", KindPlain, func(s VariableSettings) string { return s.SignIn.EmailHeader }},
		{"TRUSTED_NAME_HEADER", KindPlain, func(s VariableSettings) string { return s.SignIn.NameHeader }},
		{"TRUSTED_ROLE_HEADER", KindPlain, func(s VariableSettings) string { return s.SignIn.RoleHeader }},
		{"TRUSTED_TEAMS_HEADER", KindPlain, func(s VariableSettings) string { return s.SignIn.TeamsHeader }},
		{"DEBUG_MODE", KindPlain, func(s VariableSettings) string { return s.DebugMode }},
	}
}

// convexDataDir is the data folder inside the convex container.
const convexDataDir = "/app/data"

// derivedVariables returns what older versions pushed, with the value they derived.
// Such a variable is removed while it holds that value; with any other, an
// operator has taken it over.
func derivedVariables() map[string]string {
	return map[string]string{
		"AGENTS_DIR":       convexDataDir + "/agents",
		"WORKFLOWS_DIR":    convexDataDir + "/workflows",
		"INTEGRATIONS_DIR": convexDataDir + "/integrations",
		"PROVIDERS_DIR":    convexDataDir + "/providers",
	}
}

// VariableSettings are the settings that the pushed variables are made from.
type VariableSettings struct {
	Site                  stack.Site
	BetterAuthSecret      config.Secret `env:"BETTER_AUTH_SECRET" tier:"operator" secret:"true" doc:"Secret of the application's sessions."`
	EncryptionSecretHex   config.Secret `env:"ENCRYPTION_SECRET_HEX" tier:"operator" secret:"true" doc:"Key that the application encrypts stored credentials with."`
	EntraSecret           config.Secret `env:"AUTH_MICROSOFT_ENTRA_ID_SECRET" secret:"true" doc:"Client secret of the Microsoft Entra ID sign-in."`
	EntraID               string        `env:"AUTH_MICROSOFT_ENTRA_ID_ID" doc:"Client id of the Microsoft Entra ID sign-in."`
	EntraIssuer           string        `env:"AUTH_MICROSOFT_ENTRA_ID_ISSUER" doc:"Issuer of the Microsoft Entra ID sign-in."`
	EntraTenantID         string        `env:"AUTH_MICROSOFT_ENTRA_ID_TENANT_ID" doc:"Tenant of the Microsoft Entra ID sign-in."`
	TrustedHeadersEnabled string        `env:"TRUSTED_HEADERS_ENABLED" doc:"Turns sign-in by trusted proxy headers on."`
	TrustedHeadersSecret  config.Secret `env:"TRUSTED_HEADERS_INTERNAL_SECRET" secret:"true" doc:"Secret that protects sign-in by trusted headers."`
	SignIn                stack.SignIn
	SopsAgeKey            config.Secret `env:"SOPS_AGE_KEY" tier:"operator" secret:"true" file:"false" doc:"age key that decrypts provider secrets. SOPS_AGE_KEY_FILE is a variable of its own and not the file form of this one."`
	SopsAgeKeyFile        string        `env:"SOPS_AGE_KEY_FILE" doc:"Path of the age key file inside the convex container."`
	CrawlerURL            string        `env:"CRAWLER_URL" tier:"advanced" envDefault:"http://crawler:8002" doc:"Where the crawler service answers."`
	RagURL                string        `env:"RAG_URL" tier:"advanced" envDefault:"http://rag:8001" doc:"Where the rag service answers."`
	SearchServiceURL      string        `env:"SEARCH_SERVICE_URL" tier:"advanced" envDefault:"http://search:8080" doc:"Where the search service answers."`
	OperatorURL           string        `env:"OPERATOR_URL" tier:"advanced" doc:"Where the operator service answers."`
	DebugMode             string        `env:"DEBUG_MODE" tier:"advanced" doc:"Turns the application's debug output on."`

	RagDatabaseURL config.Secret `env:"RAG_DATABASE_URL" secret:"true" doc:"Database of the rag service; by default tale_knowledge on the same server."`
	Database       stack.Database
}

// ragDatabaseURL returns the knowledge database on the same server, unless one was set.
func (s VariableSettings) ragDatabaseURL() string {
	return cmp.Or(s.RagDatabaseURL.Reveal(), s.Database.WithDatabase("tale_knowledge"))
}

package stack

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Kinds of storage (CONVEX_STORAGE).
const (
	StoragePostgres = "postgres"
	StorageSQLite   = "sqlite"
)

// Database says where the backend and the services beside it keep documents.
type Database struct {
	Storage       string        `env:"CONVEX_STORAGE" envDefault:"postgres" doc:"Where the backend keeps documents. sqlite is a file in its data folder, for trying things out; it needs no database settings." accept:"postgres, sqlite"`
	PostgresURL   config.Secret `env:"POSTGRES_URL" tier:"operator" secret:"true" doc:"Postgres server of all services, without a database: the backend derives that from INSTANCE_NAME. Wins over DB_*." accept:"postgresql://USER:PASSWORD@HOST:PORT, optionally with ?sslmode=disable, prefer or require, &search_path=SCHEMA, &options=… and what else the backend's driver takes"`
	PlainIfNeeded bool          `env:"DO_NOT_REQUIRE_SSL" doc:"Talk to Postgres without TLS where the server offers none, also to a public host. Decides only where POSTGRES_URL has no sslmode; hosts of a private network need it not." accept:"true, false"`
	User          string        `env:"DB_USER" envDefault:"tale" doc:"Postgres user, used when POSTGRES_URL is not set."`
	Password      config.Secret `env:"DB_PASSWORD" tier:"operator" secret:"true" doc:"Postgres password, used when POSTGRES_URL is not set." accept:"any text; it is escaped when the URL is built"`
	Host          string        `env:"DB_HOST" envDefault:"db" doc:"Postgres host, used when POSTGRES_URL is not set."`
	Port          int           `env:"DB_PORT" envDefault:"5432" doc:"Postgres port, used when POSTGRES_URL is not set." accept:"a port from 1 to 65535"`
}

// Validate reports what no server can be reached by.
func (d Database) Validate() config.Problems {
	if problems := config.CheckOneOf("CONVEX_STORAGE", d.Storage, StoragePostgres, StorageSQLite); len(problems) > 0 || d.Storage == StorageSQLite {
		return problems
	}
	if d.PostgresURL != "" {
		_, problems := parsePostgres(d.PostgresURL.Reveal())
		return problems
	}
	problems := config.CheckPort("DB_PORT", d.Port)
	if wrong := checkPostgresHost(d.Host); wrong != "" {
		if strings.HasPrefix(d.Host, "[") {
			wrong = "is in brackets, which an address of IPv6 has in a URL only"
		}
		problems = append(problems, config.Problem{Variable: "DB_HOST", Wrong: wrong, Accepted: "a host name or an address; the port is DB_PORT"})
	}
	if d.Password == "" {
		problems = append(problems, config.Problem{
			Variable: "POSTGRES_URL", Wrong: "is not set, and neither is DB_PASSWORD",
			Accepted: "one of the two; or CONVEX_STORAGE=sqlite for an embedded database",
		})
	}
	return problems
}

// IsElsewhere reports whether documents are on a server that is not the stack's own, which it
// does without where a URL is set.
func (d Database) IsElsewhere() bool {
	return d.Storage != StorageSQLite && (d.PostgresURL != "" || d.Host != DB)
}

// URL returns the server as other services take it: byte for byte as it was set,
// or made of DB_*. With sqlite it is "" unless it was set.
func (d Database) URL() string {
	if d.PostgresURL != "" || d.Storage == StorageSQLite {
		return d.PostgresURL.Reveal()
	}
	return d.made().String()
}

func (d Database) made() *url.URL {
	return &url.URL{
		Scheme: "postgresql",
		User:   url.UserPassword(d.User, d.Password.Reveal()),
		Host:   net.JoinHostPort(d.Host, strconv.Itoa(d.Port)),
	}
}

// WithDatabase returns the URL of a database on the server, "" with sqlite.
func (d Database) WithDatabase(name string) string {
	u, err := url.Parse(d.URL())
	if err != nil || d.Storage == StorageSQLite {
		return ""
	}
	u.Path = "/" + name
	return u.String()
}

// Server returns the Postgres server. The settings must have passed Validate.
func (d Database) Server() (Postgres, error) {
	server, err := d.server()
	if u, _ := url.Parse(d.PostgresURL.Reveal()); d.PlainIfNeeded && u != nil && u.Query().Get("sslmode") == "" {
		server.Mode = SSLPrefer
	}
	return server, err
}

func (d Database) server() (Postgres, error) {
	if d.PostgresURL == "" {
		return newPostgres(d.made()), nil
	}
	server, problems := parsePostgres(d.PostgresURL.Reveal())
	return server, problems.Err()
}

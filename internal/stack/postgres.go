package stack

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// SSLMode is what the connection to Postgres does about TLS. The backend
// checks the server's certificate whenever it uses TLS.
type SSLMode string

// What a connection does about TLS.
const (
	SSLDisable SSLMode = "disable" // plain text, TLS is not even asked for
	SSLPrefer  SSLMode = "prefer"  // TLS when the server offers it
	SSLRequire SSLMode = "require" // TLS or nothing
)

const postgresURLAccepted = "postgresql://USER:PASSWORD@HOST:PORT without a database, optionally with ?sslmode=disable, prefer or require, &search_path=SCHEMA and others that tokio-postgres takes"

// Postgres is the server that the backend is to use.
type Postgres struct {
	URL        *url.URL // user, password, host, port and parameters; never a database
	Mode       SSLMode
	SearchPath string // of the parameters, as it was written
}

// ParsePostgres reads a URL of the form of POSTGRES_URL that may also name a database.
// Problems speak of it by the given name and never show it.
func ParsePostgres(name, raw string) (server Postgres, database string, err error) {
	server, database, problems := readPostgres(name, raw)
	return server, database, problems.Err()
}

// parsePostgres reads POSTGRES_URL.
func parsePostgres(raw string) (Postgres, config.Problems) {
	server, database, problems := readPostgres("POSTGRES_URL", raw)
	if database != "" {
		wrong := fmt.Sprintf("names the database %q; the backend derives the database from INSTANCE_NAME", database)
		problems = config.Problems{{Variable: "POSTGRES_URL", Wrong: wrong, Accepted: postgresURLAccepted}}
	}
	return server, problems
}

// readPostgres reads a URL. Its problems never show the value.
func readPostgres(name, raw string) (Postgres, string, config.Problems) {
	_, rest, _ := strings.Cut(raw, "://")
	special := strings.IndexAny(rest, "/?#")
	refuse := func(wrong string) (Postgres, string, config.Problems) {
		if special >= 0 && strings.Contains(rest[special:], "@") {
			// What looks like a path or a parameter may be the rest of a password.
			wrong = "is not of that form; if the password has a /, ? or #, that must be percent-encoded"
		}
		return Postgres{}, "", config.Problems{{Variable: name, Wrong: wrong, Accepted: postgresURLAccepted}}
	}
	if wrong := checkPostgresForm(raw); wrong != "" {
		return refuse(wrong)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("is not a URL (a password with special characters must be percent-encoded; DB_PASSWORD takes it as it is)")
	}
	password, _ := u.User.Password()
	parameters, err := url.ParseQuery(u.RawQuery)
	switch {
	case u.User.Username() == "":
		return refuse("has no user name")
	case u.Hostname() == "":
		return refuse("has no host")
	case strings.Contains(u.EscapedPath(), "@"):
		return refuse("is not of that form")
	case err != nil:
		return refuse("has parameters that cannot be read (special characters must be percent-encoded)")
	case checkPostgresHost(u.Hostname()) != "":
		return refuse(checkPostgresHost(u.Hostname()))
	case u.Fragment != "" || strings.Contains(u.User.Username()+password, "\x00"):
		return refuse("has characters behind the host that are not part of such a URL")
	}
	if wrong := checkPostgresParameters(parameters); wrong != "" {
		return refuse(wrong)
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || port == 0) {
		return refuse("has a port out of range")
	}
	database := strings.TrimPrefix(u.Path, "/")
	return newPostgres(u), database, nil
}

func newPostgres(u *url.URL) Postgres {
	server := Postgres{URL: u, Mode: SSLRequire, SearchPath: u.Query().Get("search_path")}
	parameters := backendParameters(u.Query())
	switch mode := parameters.Get("sslmode"); {
	case mode == "disable":
		server.Mode = SSLDisable
	case mode == "prefer", mode == "" && isInternalHost(u.Hostname()):
		server.Mode = SSLPrefer
	}
	u.Path = ""
	parameters.Del("sslmode")
	if server.Mode == SSLDisable {
		parameters.Set("sslmode", "disable")
	}
	u.RawQuery = parameters.Encode()
	return server
}

// Address returns the server for messages, without user and password.
func (s Postgres) Address() string { return net.JoinHostPort(s.URL.Hostname(), s.Port()) }

// Port returns the port, also where the URL names none.
func (s Postgres) Port() string {
	if port := s.URL.Port(); port != "" {
		return port
	}
	return "5432"
}

// isInternalHost tells a host that is reached over a network of our own, where
// TLS is not insisted on: a name without dots (a compose service), a name under
// a private top-level domain, a loopback or private address.
func isInternalHost(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if !strings.Contains(host, ".") {
		return true
	}
	return slices.ContainsFunc([]string{".localhost", ".local", ".internal"}, func(suffix string) bool {
		return strings.HasSuffix(host, suffix)
	})
}

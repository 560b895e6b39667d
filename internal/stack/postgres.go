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
	URL  *url.URL // user, password, host, port and parameters; never a database
	Mode SSLMode
}

// parsePostgres reads POSTGRES_URL. Its problems never show the value.
func parsePostgres(raw string) (Postgres, config.Problems) {
	_, rest, _ := strings.Cut(raw, "://")
	special := strings.IndexAny(rest, "/?#")
	refuse := func(wrong string) (Postgres, config.Problems) {
		if special >= 0 && strings.Contains(rest[special:], "@") {
			// What looks like a path or a parameter may be the rest of a password.
			wrong = "is not of that form; if the password has a /, ? or #, that must be percent-encoded"
		}
		return Postgres{}, config.Problems{{Variable: "POSTGRES_URL", Wrong: wrong, Accepted: postgresURLAccepted}}
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
	case u.Path != "" && u.Path != "/":
		return refuse(fmt.Sprintf("names the database %q; the backend derives the database from INSTANCE_NAME", strings.TrimPrefix(u.Path, "/")))
	case err != nil:
		return refuse("has parameters that cannot be read (special characters must be percent-encoded)")
	case u.Fragment != "" || strings.Contains(password, "\x00"):
		return refuse("has characters behind the host that are not part of such a URL")
	}
	if wrong := checkPostgresParameters(parameters); wrong != "" {
		return refuse(wrong)
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && err != nil {
		return refuse("has a port out of range")
	}
	return newPostgres(u), nil
}

func newPostgres(u *url.URL) Postgres {
	server := Postgres{URL: u, Mode: SSLRequire}
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

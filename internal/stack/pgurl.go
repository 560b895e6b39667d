package stack

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// pgParameters are the parameters of a Postgres URL that the backend's driver,
// tokio-postgres 0.7.13, takes and that may stand there; it refuses all others.
// Hosts, ports, names and passwords it takes as parameters, too, which would hide
// what the URL says. That search_path is not one of its own, and what happens to
// blanks, is in crates/db_connection of the backend (5f66740a and 94a42c3d).
var pgParameters = map[string]func(value string) bool{
	"options":              anyValue,
	"application_name":     anyValue,
	"search_path":          anyValue,
	"target_session_attrs": anyValue, // the backend sets its own
	"sslmode":              oneOf("disable", "prefer", "require", "verify-ca", "verify-full"),
	"sslnegotiation":       oneOf("postgres"), // without ALPN, which the backend has not, "direct" never works
	"channel_binding":      oneOf("disable", "prefer", "require"),
	"load_balance_hosts":   oneOf("disable", "random"),
	"connect_timeout":      wholeNumber,
	"tcp_user_timeout":     wholeNumber,
	"keepalives":           wholeNumber,
	"keepalives_idle":      wholeNumber,
	"keepalives_interval":  wholeNumber,
	"keepalives_retries":   wholeNumber,
}

// pgAdvice is what to do instead of what other clients take.
var pgAdvice = map[string]string{
	"sslrootcert":                   "name the file in PG_CA_FILE instead",
	"sslcert":                       "the backend has no client certificates",
	"sslkey":                        "the backend has no client certificates",
	"sslpassword":                   "the backend has no client certificates",
	"ssl":                           "use sslmode",
	"pgbouncer":                     "only Prisma knows it; remove it, and let the pooler keep sessions (pool_mode=session)",
	"connection_limit":              "use POSTGRES_MAX_CONNECTIONS",
	"schema":                        "use search_path",
	"currentSchema":                 "use search_path",
	"dbname":                        "the backend derives the database from INSTANCE_NAME",
	"host":                          "it belongs in front of the parameters; Unix sockets and several hosts are not supported",
	"hostaddr":                      "use the address as the host",
	"port":                          "it belongs behind the host",
	"user":                          "it belongs in front of the host",
	"password":                      "it belongs in front of the host",
	"passfile":                      "the password belongs in front of the host",
	"service":                       "the backend reads no service files",
	"statement_cache_size":          "only some clients know it; remove it",
	"prepared_statements":           "only some clients know it; remove it",
	"prepared_statement_cache_size": "only some clients know it; remove it",
}

func anyValue(string) bool { return true }

// wholeNumber takes what fits each of the driver's types, the smallest of 32 bits.
func wholeNumber(value string) bool {
	_, err := strconv.ParseUint(value, 10, 31)
	return err == nil
}

func oneOf(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, value) }
}

// checkPostgresForm returns what is wrong with a URL that Go's parser has no words
// for, or would take for something else.
func checkPostgresForm(raw string) string {
	scheme, rest, _ := strings.Cut(raw, "://")
	before, query, _ := strings.Cut(rest, "?")
	parameters, _ := url.ParseQuery(query) // checkPostgresParameters reports what is wrong there
	at := strings.LastIndexByte(before, '@')
	host := strings.ToLower(before[at+1:])
	switch {
	case scheme != "postgres" && scheme != "postgresql":
		return "does not begin with postgresql://"
	case strings.HasPrefix(parameters.Get("host"), "/") || at >= 0 && (strings.HasPrefix(host, "/") || strings.HasPrefix(host, "%2f")):
		return "names a Unix socket, which the backend's container cannot reach: name a host"
	case at >= 0 && strings.Contains(host, ","):
		return "names several hosts; name the one that can be written to"
	case at >= 0 && strings.Count(host, ":") > 1 && !strings.HasPrefix(host, "["):
		return "has an IPv6 address without brackets"
	}
	return ""
}

var pgHostForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// checkPostgresHost returns what is wrong with the host of a server. It may be the rest of
// a password, and is not shown.
func checkPostgresHost(host string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		if address.Zone() != "" {
			return "has an address with a zone, which the backend does not take"
		}
		return ""
	}
	if name, err := idna.Lookup.ToASCII(host); err == nil && !strings.EqualFold(name, host) {
		return "has an international name, which goes in its xn-- form there"
	}
	if !pgHostForm.MatchString(host) {
		return "has no host name or address where the host belongs"
	}
	return ""
}

// checkPostgresParameters returns what is wrong with the parameters of a URL.
func checkPostgresParameters(parameters url.Values) string {
	var wrong []string
	for name, values := range parameters {
		accepts, known := pgParameters[name]
		switch {
		case !known && pgAdvice[name] != "":
			wrong = append(wrong, fmt.Sprintf("has the parameter %q, which is not taken there: %s", name, pgAdvice[name]))
		case !known:
			wrong = append(wrong, fmt.Sprintf("has the parameter %q, which the backend refuses; remove it", name))
		case len(values) > 1:
			wrong = append(wrong, fmt.Sprintf("has the parameter %q twice", name))
		case strings.Contains(values[0], "\x00"):
			wrong = append(wrong, fmt.Sprintf("has a zero byte in the parameter %q", name))
		case !accepts(values[0]):
			wrong = append(wrong, fmt.Sprintf("has the %s %q, which the backend does not know", name, values[0]))
		}
	}
	slices.Sort(wrong)
	return strings.Join(wrong, "; and ")
}

// backendParameters returns the parameters as the backend is to be given them. It
// would drop search_path, and make a plus sign of every blank; Postgres takes a tab
// for a blank.
func backendParameters(set url.Values) url.Values {
	parameters := url.Values{}
	for name, values := range set {
		parameters[name] = slices.Clone(values)
	}
	if path := parameters.Get("search_path"); path != "" {
		escaped := strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(path)
		parameters.Set("options", strings.TrimSpace(parameters.Get("options")+" -csearch_path="+escaped))
	}
	parameters.Del("search_path")
	if options := parameters.Get("options"); options != "" {
		parameters.Set("options", strings.ReplaceAll(options, " ", "\t"))
	}
	return parameters
}

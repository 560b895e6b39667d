package postgres

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/pglogin"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// particular returns why a login failed and what to do, where more is known of the error than
// its cause says; "" where not.
func (l Login) particular(err error) (why, fix string) {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return l.particularState(said)
	}
	hostname, isName := errors.AsType[x509.HostnameError](err)
	certificate, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case errors.As(err, new(*pglogin.CAFileError)):
		return "the authority that PG_CA_FILE names is asked for before the server is believed", "mount the PEM file with the certificate (BEGIN CERTIFICATE, not a key) of that authority, or correct PG_CA_FILE"
	case errors.Is(err, pglogin.ErrNoTLS):
		return "TLS is off at the server", "turn it on there (ssl = on), or add ?sslmode=disable to POSTGRES_URL if the network is trusted"
	case isName:
		return "its certificate is for " + namesOf(hostname.Certificate), "let POSTGRES_URL or DB_HOST have one of those names, or have the certificate made for " + hostname.Host
	case isInvalid && certificate.Reason == x509.Expired:
		return "the certificate has ended, or the clock of one of the two machines is wrong", "if the clock of this machine is right (timedatectl; NTP), renew the server's certificate; else set it"
	}
	return "", ""
}

// particularState reads the words of Postgres, which may be in another language than English:
// then the cause has to do.
func (l Login) particularState(said *pgconn.PgError) (why, fix string) {
	has := func(words string) bool { return strings.Contains(said.Message, words) }
	switch {
	case said.Code == "28000" && has("pg_hba.conf"):
		return "its pg_hba.conf has no line that lets in this user from this address, with or without TLS as it was tried", "add one to the pg_hba.conf of the server and reload it (the words above have user, address and database); where its lines say hostssl, the server has to offer TLS"
	case said.Code == "28000" && has("not permitted to log in"):
		return "that role is there and may not log in", fmt.Sprintf("ALTER ROLE %q LOGIN, or name another one in POSTGRES_URL or DB_USER", l.user())
	case said.Code == "28P01":
		return l.refusedPassword()
	case said.Code == "53300" && has("for role"):
		return "that role may not have more connections at a time", fmt.Sprintf("ALTER ROLE %q CONNECTION LIMIT -1", l.user())
	case said.Code == "53300" && has("for database"):
		return "that database may not have more connections at a time", fmt.Sprintf("ALTER DATABASE %q CONNECTION LIMIT -1", l.Database)
	case said.Code == "55000" && has("not currently accepting connections"):
		return "somebody has closed the database, as for a restore or a rename", fmt.Sprintf("ALTER DATABASE %q ALLOW_CONNECTIONS true", l.Database)
	case said.Code == "53100" || has("could not write init file") || has("No space left"):
		return "the disk of the Postgres server is full", "free some space there" + l.diskUse() + ", or give its volume more"
	}
	return "", ""
}

// diskUse returns the commands that show the use of the disk of the stack's own server, in
// brackets; how it is with one elsewhere is not known.
func (l Login) diskUse() string {
	if l.Server.URL.Hostname() != stack.DB {
		return " (df -h on its host)"
	}
	return " (" + place.Here().Exec(stack.DB, "df -h /var/lib/postgresql/data") + "; " + place.Here().DiskUse() + " on the host)"
}

// refusedPassword says what the password has too much of, if it has.
func (l Login) refusedPassword() (why, fix string) {
	password, _ := l.Server.URL.User.Password()
	if strays := config.LineStrays("DB_PASSWORD", password); len(strays) > 0 {
		return "the password " + strings.Join(strays, " and "), "take that out of DB_PASSWORD, its file, or POSTGRES_URL"
	}
	other := remedyFor(causeLogin)
	return other.why + "; or the account has ended (VALID UNTIL), which Postgres does not tell apart", other.fix
}

// namesOf returns the names that a certificate is for.
func namesOf(certificate *x509.Certificate) string {
	names := append([]string{}, certificate.DNSNames...)
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}
	if len(names) == 0 {
		return "no name at all (it has no subjectAltName)"
	}
	return config.Excerpt(strings.Join(names, ", "), 200)
}

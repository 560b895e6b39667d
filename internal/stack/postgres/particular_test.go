package postgres

import (
	"crypto/x509"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What Postgres refuses with the same code has its own cause and its own remedy.
func TestWhatIsSaidOfARefusal(t *testing.T) {
	for _, tt := range []struct{ code, message, password, cause, fix string }{
		{"28000", `no pg_hba.conf entry for host "10.0.0.7", user "tale", database "tale_platform", no encryption`, "canary", "pg_hba.conf has no line", "add one to the pg_hba.conf"},
		{"28000", `role "tale" is not permitted to log in`, "canary", "may not log in", `ALTER ROLE "tale" LOGIN`},
		{"28P01", "password authentication failed", "canary", "VALID UNTIL", "compare POSTGRES_URL"},
		{"28P01", "password authentication failed", "canary\n", "the password ends with a line break", "take that out of DB_PASSWORD"},
		{"28P01", "password authentication failed", "canary\r", "carriage return", "take that out"},
		{"28P01", "password authentication failed", `"canary"`, "wrapped in quotes", "take that out"},
		{"53300", `too many connections for role "tale"`, "canary", "that role may not have more", `ALTER ROLE "tale" CONNECTION LIMIT`},
		{"53300", `too many connections for database "d"`, "canary", "that database may not have more", `ALTER DATABASE "d" CONNECTION LIMIT`},
		{"53300", "sorry, too many clients already", "canary", "other clients hold all", "raise max_connections"},
		{"55000", `database "d" is not currently accepting connections`, "canary", "closed the database", "ALLOW_CONNECTIONS true"},
		{"53100", "could not extend file", "canary", "disk of the Postgres server is full", "(df -h on its host)"},
		{"XX000", "could not write init file", "canary", "disk of the Postgres server is full", "df -h"},
	} {
		login := loginTo(postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse(tt.code, tt.message) }), stack.SSLPrefer, "")
		login.Server.URL.User, login.Database = url.UserPassword("tale", tt.password), "d"
		f := report.Explain("storage", second(login.Try(t.Context())))
		if text := f.Text(); !strings.Contains(f.Cause, tt.cause) || !strings.HasPrefix(f.Fix[0], tt.fix) && !strings.Contains(f.Fix[0], tt.fix) || strings.Contains(text, "canary") {
			t.Errorf("%s %q: %s", tt.message, tt.password, text)
		}
	}
	own := Login{Server: stack.Postgres{URL: &url.URL{Scheme: "postgres", Host: stack.DB}}}
	if _, fix := own.particularState(&pgconn.PgError{Code: "53100"}); !strings.Contains(fix, "df -h /var/lib/postgresql/data") {
		t.Errorf("on the disk of the stack's own: %s", fix)
	}
	// A server that speaks another language keeps the cause of the code.
	if why, _ := (Login{}).particularState(&pgconn.PgError{Code: "28000", Message: "kein Eintrag"}); why != "" {
		t.Errorf("guessed: %s", why)
	}
}

func TestWhatIsSaidOfACertificate(t *testing.T) {
	serverTLS, caFile := testkit.Certificate(t)
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{"key.pem": "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"})
	secured := postgrestest.Start(t, func(f *postgrestest.Server) { f.TLS = serverTLS })
	_, port, _ := net.SplitHostPort(secured.Addr())
	for name, tt := range map[string]struct{ host, ca, cause, fix string }{
		"unknown authority": {"127.0.0.1", "", "do not agree on TLS", "PG_CA_FILE"},
		"other name":        {"localhost", caFile, "certificate is for example.com, *.example.com, 127.0.0.1, ::1", "have one of those names"},
		"no such file":      {"127.0.0.1", "/no/such.pem", "before the server is believed", "correct PG_CA_FILE"},
		"a key":             {"127.0.0.1", dir + "/key.pem", "before the server is believed", "BEGIN CERTIFICATE, not a key"},
	} {
		login := loginTo(secured, stack.SSLRequire, tt.ca)
		login.Server.URL.Host = net.JoinHostPort(tt.host, port)
		f := report.Explain("storage", second(login.Try(t.Context())))
		if !strings.Contains(f.Cause, tt.cause) || !strings.Contains(f.Fix[0], tt.fix) {
			t.Errorf("%s: %s", name, f.Text())
		}
	}
	plain := report.Explain("storage", second(loginTo(postgrestest.Start(t, nil), stack.SSLRequire, "").Try(t.Context())))
	if plain.Cause != "TLS is off at the server" || strings.Contains(plain.Text(), "PG_CA_FILE") {
		t.Error(plain.Text())
	}
	if why, fix := (Login{}).particular(x509.CertificateInvalidError{Reason: x509.Expired}); !strings.Contains(why, "clock") || !strings.Contains(fix, "timedatectl") {
		t.Errorf("%s; %s", why, fix)
	}
}

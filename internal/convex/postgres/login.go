package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// oldestVersion is the oldest server version Tale supports, as Postgres
// numbers it (server_version_num).
const oldestVersion = 160000

// loginTimeout bounds one login, so that a wait can tell a host that swallows packets
// from a slow start.
const loginTimeout = 5 * time.Second

// factsQuery asks for everything at once. The last two values decide whether the
// backend can make its tables: it needs the privilege only while they are missing.
const factsQuery = `SELECT current_setting('server_version_num'), current_setting('server_version'),
	current_setting('transaction_read_only'), coalesce(current_schema(), ''),
	to_regclass('documents') IS NOT NULL OR coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)`

// Settings are what the login adds to the database's settings, which all services
// share.
type Settings struct {
	CAFile string `env:"PG_CA_FILE" doc:"PEM file with the authority that signed the Postgres server's certificate. The backend reads it too."`
}

// Login is one real login to the backend's database.
type Login struct {
	Server   stack.Postgres
	Database string
	CAFile   string // PEM, added to the system's authorities; may be empty
}

// Facts are what a successful login found.
type Facts struct {
	Version string // as the server prints it
	TLS     bool   // the connection is encrypted
}

// Try logs in the way the backend does and checks what the backend needs. Every
// error is a *loginError.
func (l Login) Try(ctx context.Context) (Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	var facts Facts
	settings, err := l.connectSettings(&facts)
	if err != nil {
		return facts, l.classify(err)
	}
	conn, err := pgconn.ConnectConfig(ctx, settings)
	if err != nil {
		return facts, l.classify(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	results, err := conn.Exec(ctx, factsQuery).ReadAll()
	if err != nil {
		return facts, l.classify(err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 5 {
		return facts, l.classify(errors.New("the server's answer to a simple query has another shape"))
	}
	if facts, err = l.judge(facts, results[0].Rows[0]); err != nil {
		return facts, err
	}
	return facts, l.checkLease(ctx, conn, time.Now())
}

func (l Login) judge(facts Facts, row [][]byte) (Facts, error) {
	version, readOnly, schema, canCreate := string(row[0]), string(row[2]), string(row[3]), string(row[4])
	facts.Version = string(row[1])
	number, err := strconv.Atoi(version)
	switch {
	case err != nil:
		return facts, l.classify(fmt.Errorf("the server's version %q is not a number", version))
	case number < oldestVersion:
		return facts, l.verdict(causeTooOld, fmt.Sprintf("it is Postgres %s, and 16 is the oldest version that works", facts.Version))
	case readOnly == "on":
		return facts, l.verdict(causeReadOnly, "it is read-only (a standby?), and the backend must write")
	case canCreate != "t":
		return facts, l.verdict(causeNoPrivilege, fmt.Sprintf("user %q may not create tables in schema %q of database %q", l.Server.URL.User.Username(), schema, l.Database))
	}
	return facts, nil
}

// ownSettings replace what the driver would take from PGPORT, PGOPTIONS and the other
// variables of libpq, which the backend does not read. TLS is negotiated by
// negotiateTLS, which does what the backend does and can tell a refusal from a bad
// certificate.
const ownSettings = "sslmode=disable&sslnegotiation=postgres&sslcertmode=allow&sslcert=&sslkey=&sslrootcert=&passfile=&connect_timeout=0" +
	"&target_session_attrs=any&min_protocol_version=3.0&max_protocol_version=3.0&channel_binding=prefer&require_auth="

func (l Login) connectSettings(facts *Facts) (*pgconn.Config, error) {
	u := *l.Server.URL
	u.Host = net.JoinHostPort(u.Hostname(), l.Server.Port())
	u.Path = "/" + l.Database
	u.RawQuery = ownSettings
	settings, err := pgconn.ParseConfig(u.String())
	if err != nil && os.Getenv("PGSERVICE") != "" {
		return nil, errors.New("PGSERVICE is set, which the backend does not read: unset it")
	}
	if err != nil {
		return nil, errors.New("the connection settings cannot be read") // the error may show the URL
	}
	settings.Password, _ = u.User.Password()
	clear(settings.RuntimeParams)
	settings.AfterNetConnect = func(ctx context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
		secured, err := l.negotiateTLS(ctx, conn)
		if err != nil {
			return conn, err // the driver closes what it gets back
		}
		_, facts.TLS = secured.(*tls.Conn)
		return secured, nil
	}
	return settings, nil
}

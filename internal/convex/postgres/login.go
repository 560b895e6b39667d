package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// oldestPostgres is the oldest server version Tale supports, as Postgres
// numbers it (server_version_num).
const oldestPostgres = 160000

// loginTimeout bounds one login, so that a black hole is told apart from a
// slow start within one wait.
const loginTimeout = 5 * time.Second

// facts are asked in one query with the login the backend is going to use. The
// last two decide whether the backend can make its tables: only when they are
// not there yet does it need the right to.
const factsQuery = `SELECT current_setting('server_version_num'), current_setting('server_version'),
	current_setting('transaction_read_only'), coalesce(current_schema(), ''),
	to_regclass('documents') IS NOT NULL OR coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)`

// Login is one real login to the backend's database.
type Login struct {
	Server   stack.Postgres
	Database string
	CAFile   string // PEM, added to the system's authorities; may be empty
}

// Facts is what a successful login found.
type Facts struct {
	Version string // as the server prints it
	TLS     bool
}

// Try logs in the way the backend does and checks what the backend needs. Every
// error is a *postgresError.
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
	return l.judge(facts, results[0].Rows[0])
}

func (l Login) judge(facts Facts, row [][]byte) (Facts, error) {
	version, readOnly, schema, canCreate := string(row[0]), string(row[2]), string(row[3]), string(row[4])
	facts.Version = string(row[1])
	number, err := strconv.Atoi(version)
	switch {
	case err != nil:
		return facts, l.classify(fmt.Errorf("the server's version %q is not a number", version))
	case number < oldestPostgres:
		return facts, l.verdict(pgTooOld, fmt.Sprintf("it is Postgres %s, and 16 is the oldest version that works", facts.Version))
	case readOnly == "on":
		return facts, l.verdict(pgReadOnly, "it is read-only (a standby?), and the backend must write")
	case canCreate != "t":
		return facts, l.verdict(pgNoPrivilege, fmt.Sprintf("user %q may not create tables in schema %q of database %q", l.user(), schema, l.Database))
	}
	return facts, nil
}

func (l Login) user() string { return l.Server.URL.User.Username() }

func (l Login) connectSettings(facts *Facts) (*pgconn.Config, error) {
	u := *l.Server.URL
	u.Path = "/" + l.Database
	// TLS is negotiated by negotiateTLS, which does what the backend does and
	// can tell a refusal from a bad certificate.
	u.RawQuery = "sslmode=disable"
	settings, err := pgconn.ParseConfig(u.String())
	if err != nil {
		return nil, errors.New("the connection settings cannot be read") // the error may show the URL
	}
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

var (
	errNoTLS       = errors.New("the server does not offer TLS")
	errNotPostgres = errors.New("the server does not say whether it offers TLS")
)

// negotiateTLS asks for TLS as the backend's driver does: a server that offers
// it must have a certificate that verifies, even where TLS is only preferred.
func (l Login) negotiateTLS(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if l.Server.Mode == stack.SSLDisable {
		return conn, nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
		defer func() { _ = conn.SetDeadline(time.Time{}) }()
	}
	request, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil {
		return nil, err
	}
	switch {
	case answer[0] == 'S':
		return l.secure(ctx, conn)
	case answer[0] == 'N' && l.Server.Mode == stack.SSLPrefer:
		return conn, nil
	case answer[0] == 'N':
		return nil, errNoTLS
	default:
		return nil, errNotPostgres
	}
}

func (l Login) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if l.CAFile != "" {
		pem, err := os.ReadFile(l.CAFile)
		if err != nil || !roots.AppendCertsFromPEM(pem) {
			return nil, &caFileError{path: l.CAFile, err: err}
		}
	}
	secured := tls.Client(conn, &tls.Config{ServerName: l.Server.URL.Hostname(), RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secured, nil
}

type caFileError struct {
	path string
	err  error
}

func (e *caFileError) Error() string {
	if e.err == nil {
		return "PG_CA_FILE " + e.path + " holds no PEM certificate"
	}
	return "PG_CA_FILE cannot be read: " + e.err.Error()
}

func (e *caFileError) Unwrap() error { return e.err }

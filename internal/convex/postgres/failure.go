package postgres

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/netcause"
	"github.com/tale-project/tale-runtime/internal/report"
)

// postgresClass is why Postgres cannot be used, in the word that logs and the
// report show.
type postgresClass string

const (
	pgDNS         postgresClass = "dns"
	pgRefused     postgresClass = "refused"
	pgTimeout     postgresClass = "timeout"
	pgNetwork     postgresClass = "network"
	pgTLS         postgresClass = "tls"
	pgLogin       postgresClass = "login"
	pgNoDatabase  postgresClass = "no-database"
	pgNoPrivilege postgresClass = "no-privilege"
	pgStarting    postgresClass = "starting"
	pgFull        postgresClass = "too-many-connections"
	pgReadOnly    postgresClass = "read-only"
	pgTooOld      postgresClass = "too-old"
	pgOther       postgresClass = "other"
)

// postgresRemedy is what a class of failure means for the wait and for the
// reader.
type postgresRemedy struct {
	patience time.Duration // how long it may pass by itself; 0 means it never does
	code     int           // exit code when it ends the boot
	fix      string
}

// untilDeadline is the patience with what ends when somebody else is ready.
const untilDeadline = time.Duration(math.MaxInt64)

// initPatience is the patience with a database that is not there: init scripts
// make it a moment after the server has begun to listen.
const initPatience = 5 * time.Second

func remedyFor(class postgresClass) postgresRemedy {
	remedies := map[postgresClass]postgresRemedy{
		pgDNS:         {untilDeadline, exit.Unavailable, "check the host in POSTGRES_URL or DB_HOST, and that both containers are on one network"},
		pgRefused:     {untilDeadline, exit.Unavailable, "check that Postgres runs there and listens on that port (POSTGRES_URL or DB_HOST, DB_PORT)"},
		pgTimeout:     {untilDeadline, exit.Unavailable, "a firewall may drop the packets; check the host and port in POSTGRES_URL or DB_HOST, DB_PORT"},
		pgNetwork:     {untilDeadline, exit.Unavailable, "check the host and port in POSTGRES_URL or DB_HOST, DB_PORT, and Postgres' own log"},
		pgStarting:    {untilDeadline, exit.Unavailable, "look at Postgres' log: recovery after a crash takes a while"},
		pgFull:        {untilDeadline, exit.Unavailable, "raise max_connections of Postgres or stop other clients"},
		pgReadOnly:    {untilDeadline, exit.Unavailable, "name the primary server in POSTGRES_URL or DB_HOST"},
		pgOther:       {untilDeadline, exit.Unavailable, "look at Postgres' log"},
		pgNoDatabase:  {initPatience, exit.Config, "create it: %s"},
		pgTLS:         {0, exit.Config, "name the signing authority's certificate in PG_CA_FILE, or add ?sslmode=disable to POSTGRES_URL if the network is trusted"},
		pgLogin:       {0, exit.NoPermission, "compare POSTGRES_URL or DB_USER and DB_PASSWORD with the server; a Postgres volume keeps the password it was first made with"},
		pgNoPrivilege: {0, exit.NoPermission, "let the user own the database: %s"},
		pgTooOld:      {0, exit.Config, "move the data to a newer Postgres (dump and restore, or pg_upgrade)"},
	}
	return remedies[class]
}

// postgresError is a failed preflight of Postgres in one sentence. It never
// holds the password. It does not unwrap to the driver's error: the sentence is
// the whole message.
type postgresError struct {
	Class   postgresClass
	Server  string // HOST:PORT
	Problem string
	Fix     string
}

func (e *postgresError) Error() string { return e.Problem + "; " + e.Fix }

// ExitCode is the code of a boot that ends with this error.
func (e *postgresError) ExitCode() int { return remedyFor(e.Class).code }

// Report is what a boot says of the error wherever its reader may look.
func (e *postgresError) Report() report.Failure {
	code := e.ExitCode()
	return report.Failure{
		Message: "cannot use Postgres at " + e.Server + ": " + e.Problem, Fix: []string{e.Fix},
		ExitCode: code, Retryable: code == exit.Unavailable,
	}
}

// postgresLateError is a Postgres that was not usable within the deadline.
type postgresLateError struct{ *health.GaveUpError }

// Report is what a boot says of the error wherever its reader may look.
func (e *postgresLateError) Report() report.Failure {
	failure := report.Failure{
		Message: e.What(), Cause: "the last attempt said: " + health.Reason(e.Last), Fix: []string{e.Longer()},
		ExitCode: exit.Unavailable, Retryable: true,
	}
	var last *postgresError
	if errors.As(e.Last, &last) {
		failure.Cause = "the last attempt said: " + last.Problem
		failure.Fix = []string{last.Fix, e.Longer()}
	}
	return failure
}

func (l Login) verdict(class postgresClass, problem string) *postgresError {
	fix := remedyFor(class).fix
	switch class {
	case pgNoDatabase:
		fix = fmt.Sprintf(fix, fmt.Sprintf(`createdb -h %s -p %s -U %s %s`, l.Server.URL.Hostname(), l.Server.Port(), l.user(), l.Database))
	case pgNoPrivilege:
		fix = fmt.Sprintf(fix, fmt.Sprintf(`ALTER DATABASE %q OWNER TO %q`, l.Database, l.user()))
	}
	return &postgresError{Class: class, Server: l.Server.Address(), Problem: problem, Fix: fix}
}

func (l Login) classify(err error) *postgresError {
	return l.verdict(l.explain(err))
}

func (l Login) explain(err error) (postgresClass, string) {
	var server *pgconn.PgError
	var caFile *caFileError
	switch {
	case errors.As(err, &server):
		return l.explainSQLState(server)
	case errors.As(err, &caFile):
		return pgTLS, caFile.Error()
	case errors.Is(err, errNoTLS):
		return pgTLS, "it does not offer TLS, which its host or the sslmode of POSTGRES_URL requires"
	case errors.Is(err, errNotPostgres):
		return pgNetwork, "what answers on that port is not a Postgres server"
	}
	kind, explanation := netcause.Of(err)
	switch kind {
	case netcause.DNS:
		return pgDNS, explanation
	case netcause.Refused:
		return pgRefused, explanation
	case netcause.Timeout, netcause.Unreachable:
		return pgTimeout, explanation
	case netcause.TLS:
		return pgTLS, explanation
	case netcause.Other:
		return pgOther, "the login failed: " + withoutConnectPrefix(err)
	default:
		return pgNetwork, explanation
	}
}

// explainSQLState reads the codes of Postgres' appendix "Error Codes".
func (l Login) explainSQLState(err *pgconn.PgError) (postgresClass, string) {
	said := err.Message + " (SQLSTATE " + err.Code + ")"
	switch err.Code {
	case "28P01", "28000":
		return pgLogin, "the login as user " + strconv.Quote(l.user()) + " is refused: " + said
	case "3D000":
		return pgNoDatabase, "there is no database " + strconv.Quote(l.Database) + " (its name comes from INSTANCE_NAME)"
	case "57P03":
		return pgStarting, "it is not ready: " + said
	case "53300":
		return pgFull, "it has no connection left: " + said
	case "42501":
		return pgNoPrivilege, "user " + strconv.Quote(l.user()) + " lacks a privilege: " + said
	case "57P01", "57P02":
		return pgStarting, "it is going down: " + said
	}
	return pgOther, "it says: " + said
}

// withoutConnectPrefix drops the driver's own frame around a cause, which
// repeats the user and the database.
func withoutConnectPrefix(err error) string {
	var connect *pgconn.ConnectError
	for errors.As(err, &connect) && connect.Unwrap() != nil {
		err = connect.Unwrap()
		connect = nil
	}
	return err.Error()
}

package postgres

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/pglogin"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

func (l Login) verdict(c cause, problem string) *loginError {
	remedy := remedyFor(c)
	failed := &loginError{Cause: c, Server: l.Server.Address(), Problem: problem, Why: remedy.why, Fix: remedy.fix}
	switch {
	case c == causeNoDatabase && l.Used:
		failed.Problem += ", and this volume has used it"
		failed.Why = "the database was dropped, or this is another server or a new volume of the server's: what was in it is not there"
		failed.Fix = "bring back the server or the volume that has it, or restore a backup of the database; the folder convex of the data volume belongs to it"
		failed.More = []string{"only if the data may be lost: " + l.createDatabase()}
	case c == causeNoDatabase:
		failed.Fix = "create it: " + l.createDatabase()
	case c == causeNoPrivilege:
		failed.Fix = fmt.Sprintf("let the user own the database: ALTER DATABASE %q OWNER TO %q", l.Database, l.user())
	}
	return failed
}

// createDatabase returns the command for the stack's own server, or for one elsewhere.
func (l Login) createDatabase() string {
	to := fmt.Sprintf("-U %s %s", l.user(), l.Database)
	if l.Server.URL.Hostname() == stack.DB {
		return place.Here().Exec(stack.DB, "createdb "+to)
	}
	return fmt.Sprintf("createdb -h %s -p %s %s, or `tale db init`", l.Server.URL.Hostname(), l.Server.Port(), to)
}

// schemaVerdict returns the verdict on a schema in which the backend cannot write its tables. That
// named public belongs to the owner of the database.
func (l Login) schemaVerdict(schema string) *loginError {
	verdict := l.verdict(causeNoPrivilege, fmt.Sprintf("user %q may not create or write the backend's tables in schema %q of database %q", l.user(), schema, l.Database))
	if schema != "public" {
		verdict.Fix = fmt.Sprintf(`let the user own the schema and what is in it: ALTER SCHEMA %q OWNER TO %q`, schema, l.user())
	}
	return verdict
}

func (l Login) classify(err error) *loginError {
	failed := l.verdict(l.explain(err))
	if why, fix := l.particular(err); why != "" {
		failed.Why, failed.Fix = why, fix
	}
	l.addAddress(failed, err, place.Here().Self())
	return failed
}

// addAddress adds what the server's name stands for here: a name server may keep the address of
// another container, as Docker's after a crash, and a container has its own name, too.
func (l Login) addAddress(failed *loginError, err error, self string) {
	host := l.Server.URL.Hostname()
	operation, asked := errors.AsType[*net.OpError](err)
	if !asked || operation.Addr == nil || net.ParseIP(host) != nil || !slices.Contains([]cause{causeRefused, causeTimeout}, failed.Cause) {
		return
	}
	address := operation.Addr.String()
	if _, own := netcause.Itself(err); own && self != "" {
		failed.Why += fmt.Sprintf("; %s is %s itself (%s)", host, self, address)
		failed.Fix = fmt.Sprintf("%s is %s itself: let POSTGRES_URL or DB_HOST name the server's, and no hostname or alias of %[2]s be that name; if it is there all the same, %[3]s", host, self, failed.Fix)
		return
	}
	failed.Why += "; " + host + " is " + address + " here"
}

func (l Login) explain(err error) (cause, string) {
	var server *pgconn.PgError
	var caFile *pglogin.CAFileError
	var tooLong *pgproto3.ExceededMaxBodyLenErr
	switch {
	case errors.As(err, &server):
		return l.explainSQLState(server)
	case errors.As(err, &caFile):
		return causeTLS, caFile.Error()
	case errors.Is(err, pglogin.ErrNoTLS):
		return causeTLS, "it does not offer TLS, which its host or the sslmode of POSTGRES_URL requires"
	case errors.Is(err, pglogin.ErrTooMuch) || errors.As(err, &tooLong):
		return causeNetwork, fmt.Sprintf("what answers on that port sends more than %d KiB for a login, as no Postgres server does", mostOfALogin>>10)
	case errors.Is(err, pglogin.ErrNotPostgres):
		return causeNetwork, "what answers on that port is not a Postgres server"
	}
	kind, explanation := netcause.Of(err)
	switch kind {
	case netcause.DNS:
		return causeDNS, explanation
	case netcause.Refused:
		return causeRefused, explanation
	case netcause.Silent:
		return causeSilent, explanation
	case netcause.Timeout, netcause.Unreachable:
		return causeTimeout, explanation
	case netcause.TLS:
		return causeTLS, explanation
	case netcause.Other:
		return causeOther, "the login failed: " + withoutConnectPrefix(err)
	default:
		return causeNetwork, explanation
	}
}

// explainSQLState reads the codes of Postgres' appendix "Error Codes".
func (l Login) explainSQLState(err *pgconn.PgError) (cause, string) {
	said := err.Message + " (SQLSTATE " + err.Code + ")"
	switch err.Code {
	case "28P01", "28000":
		return causeLogin, "the login as user " + strconv.Quote(l.user()) + " is refused: " + said
	case "3D000":
		return causeNoDatabase, "there is no database " + strconv.Quote(l.Database) + " (its name comes from INSTANCE_NAME)"
	case "57P03":
		return causeStarting, "it is not ready: " + said
	case "53300":
		return causeFull, "it has no connection left: " + said
	case "42501":
		return causeNoPrivilege, "user " + strconv.Quote(l.user()) + " lacks a privilege: " + said
	case "57P01", "57P02":
		return causeStarting, "it is going down: " + said
	}
	return causeOther, "it says: " + said
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

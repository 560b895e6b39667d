package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack/pglogin"
	"github.com/tale-project/tale-runtime/internal/stack/postgres"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// SQLSTATEs of Postgres' appendix "Error Codes".
const (
	wrongPassword     = "28P01"
	notAdmitted       = "28000"
	noDatabase        = "3D000"
	noSchema          = "3F000"
	noPrivilege       = "42501"
	duplicateDatabase = "42P04"
	uniqueViolation   = "23505"
	closedDatabase    = "55000"
)

// state returns the SQLSTATE of a server's word, "" of another error.
func state(err error) string {
	if said, is := errors.AsType[*pgconn.PgError](err); is {
		return said.Code
	}
	return ""
}

// IsWrongPassword reports whether a server does not take the password of a login. Of a user
// that it does not have it says the same.
func IsWrongPassword(err error) bool { return state(err) == wrongPassword }

// failed says why a server cannot be used and what mends it. The context is that of the
// command, so that an interrupt is told apart.
func (t Target) failed(ctx context.Context, database string, err error) error {
	if err == nil {
		return nil
	}
	if err := stopped(ctx); err != nil {
		return fmt.Errorf("cannot use %s: %w", t.place(), err)
	}
	code, why, fix := t.explain(database, err)
	return exit.Errorf(code, "cannot use %s: %s; %w", t.place(), why, plain{fix, err})
}

// stopped says why a command was ended before its time, nil if it was not.
func stopped(ctx context.Context) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, context.DeadlineExceeded):
		return nil
	case errors.Is(cause, context.Canceled):
		return plain{"interrupted", cause}
	default:
		return cause
	}
}

// plain is a text that carries the error it is about.
type plain struct {
	text  string
	cause error
}

func (p plain) Error() string { return p.text }
func (p plain) Unwrap() error { return p.cause }

func (t Target) explain(database string, err error) (code int, why, fix string) {
	_, isFile := errors.AsType[*pglogin.CAFileError](err)
	dialled, isDialled := errors.AsType[exit.Coder](err)
	kind, words := netcause.Of(err)
	switch {
	case state(err) != "":
		return t.explainState(database, err)
	case isDialled: // by the engine, in words of its own
		return dialled.ExitCode(), dialled.Error(), "check host and port, and that the server is in that network"
	case isFile:
		return exit.Config, err.Error(), "name a PEM file of this machine in PG_CA_FILE, or to `tale db` with --ca"
	case errors.Is(err, pglogin.ErrNoTLS):
		return t.asConvex(database, err)
	case errors.Is(err, pglogin.ErrNotPostgres):
		return exit.Unavailable, "what answers there is no Postgres server", "check host and port"
	case kind == netcause.TLS:
		code, why, fix = t.asConvex(database, err)
		return code, why, fix + " (PG_CA_FILE is --ca of `tale db`)"
	case kind == netcause.DNS:
		return exit.Unavailable, words, "check the host in the URL"
	case kind == netcause.Silent:
		return exit.Unavailable, words, "it may be paused, out of memory or out of disk: look at its log and its host"
	case kind == netcause.Refused, kind == netcause.Timeout, kind == netcause.Unreachable:
		return exit.Unavailable, words, "check host and port, whether it runs, and whether a firewall lets this machine in"
	case kind == netcause.Other:
		return exit.Unavailable, innermost(err), "look at its log"
	}
	return exit.Unavailable, words, "look at its log"
}

// explainState explains a server's word as convex does, but for what the commands here mend.
func (t Target) explainState(database string, err error) (code int, why, fix string) {
	code, why, fix = t.asConvex(database, err)
	switch state(err) {
	case noDatabase:
		return code, fmt.Sprintf("there is no database %q", database), "`tale db init` makes the stack's databases; or name another one in the URL"
	case noPrivilege:
		return code, why, "`tale db status` shows what is missing"
	}
	return code, why, fix
}

// asConvex returns what convex says of the same error.
func (t Target) asConvex(database string, err error) (code int, why, fix string) {
	said := postgres.Login{Server: t.Server, Database: database, CAFile: t.CAFile}.Explain(err)
	return said.Code, said.Problem, said.Fix
}

// innermost drops the driver's frames, which repeat user and database.
func innermost(err error) string {
	for {
		connect, is := errors.AsType[*pgconn.ConnectError](err)
		if !is || connect.Unwrap() == nil {
			return err.Error()
		}
		err = connect.Unwrap()
	}
}

package postgres

import (
	"errors"
	"math"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
)

// cause is why Postgres cannot be used.
type cause string

const (
	causeDNS         cause = "dns"
	causeRefused     cause = "refused"
	causeTimeout     cause = "timeout"
	causeNetwork     cause = "network"
	causeTLS         cause = "tls"
	causeLogin       cause = "login"
	causeNoDatabase  cause = "no-database"
	causeNoPrivilege cause = "no-privilege"
	causeStarting    cause = "starting"
	causeFull        cause = "too-many-connections"
	causeReadOnly    cause = "read-only"
	causeTooOld      cause = "too-old"
	causeLease       cause = "lease-locked"
	causeClock       cause = "clock-behind"
	causeNoSchema    cause = "no-schema"
	causeElsewhere   cause = "other-schema"
	causeOther       cause = "other"
)

// remedy is what a cause means for the wait and for the reader.
type remedy struct {
	patience time.Duration // how long the cause may last; 0 ends the wait at once
	code     int           // exit code when it ends the boot
	fix      string
}

// untilDeadline is the patience with what ends when another program is ready.
const untilDeadline = time.Duration(math.MaxInt64)

// initPatience is the patience with a missing database: init scripts make it a
// moment after the server has begun to listen.
const initPatience = 5 * time.Second

// clockPatience is the patience with a lease of the future: it passes by itself after a
// move to a machine whose clock is a little behind.
const clockPatience = time.Minute

func remedyFor(c cause) remedy {
	remedies := map[cause]remedy{
		causeDNS:         {untilDeadline, exit.Unavailable, "check the host in POSTGRES_URL or DB_HOST, and that both containers are on one network"},
		causeRefused:     {untilDeadline, exit.Unavailable, "check that Postgres runs there and listens on that port (POSTGRES_URL or DB_HOST, DB_PORT)"},
		causeTimeout:     {untilDeadline, exit.Unavailable, "a firewall may drop the packets; check the host and port in POSTGRES_URL or DB_HOST, DB_PORT"},
		causeNetwork:     {untilDeadline, exit.Unavailable, "check the host and port in POSTGRES_URL or DB_HOST, DB_PORT, and Postgres' own log"},
		causeStarting:    {untilDeadline, exit.Unavailable, "look at Postgres' log: recovery after a crash takes a while"},
		causeFull:        {untilDeadline, exit.Unavailable, "raise max_connections of Postgres or stop other clients"},
		causeReadOnly:    {untilDeadline, exit.Unavailable, "name the primary server in POSTGRES_URL or DB_HOST"},
		causeLease:       {untilDeadline, exit.Unavailable, "look for it in pg_stat_activity and end it: SELECT pg_terminate_backend(PID)"},
		causeOther:       {untilDeadline, exit.Unavailable, "look at Postgres' log"},
		causeClock:       {clockPatience, exit.Config, "set this machine's clock; if it is right (the other one was ahead, or the machine was restored), make sure that no backend runs and say UPDATE leases SET ts = 0"},
		causeNoDatabase:  {initPatience, exit.Config, "create it: %s"},
		causeTLS:         {0, exit.Config, "name the signing authority's certificate in PG_CA_FILE, or add ?sslmode=disable to POSTGRES_URL if the network is trusted"},
		causeLogin:       {0, exit.NoPermission, "compare POSTGRES_URL or DB_USER and DB_PASSWORD with the server; a Postgres volume keeps the password it was first made with"},
		causeNoPrivilege: {0, exit.NoPermission, "let the user own the database: %s"},
		causeNoSchema:    {initPatience, exit.Config, "create it: CREATE SCHEMA, or correct search_path or options in POSTGRES_URL"},
		causeElsewhere:   {0, exit.Config, "leave search_path and options out of POSTGRES_URL (the backend by itself ignores a search_path there), or move the tables: ALTER TABLE … SET SCHEMA"},
		causeTooOld:      {0, exit.Config, "move the data to a newer Postgres (dump and restore, or pg_upgrade)"},
	}
	return remedies[c]
}

// loginError is a failed login in one sentence, which never holds the password.
// It does not unwrap to the driver's error: the sentence is the whole message.
type loginError struct {
	Cause   cause
	Server  string // HOST:PORT
	Problem string
	Fix     string
}

func (e *loginError) Error() string { return e.Problem + "; " + e.Fix }

// ExitCode returns the code of a boot that ends with this error.
func (e *loginError) ExitCode() int { return remedyFor(e.Cause).code }

// Report explains the error in a boot's report.
func (e *loginError) Report() report.Failure {
	code := e.ExitCode()
	return report.Failure{
		Message: "cannot use Postgres at " + e.Server + ": " + e.Problem, Fix: []string{e.Fix},
		ExitCode: code, Retryable: code == exit.Unavailable,
	}
}

// lateError is a Postgres that was not usable within the deadline.
type lateError struct{ *health.GaveUpError }

// Report explains the error in a boot's report.
func (e *lateError) Report() report.Failure {
	failure := report.Failure{
		Message: e.What(), Cause: "the last attempt said: " + health.Reason(e.Last), Fix: []string{e.Longer()},
		ExitCode: exit.Unavailable, Retryable: true,
	}
	var last *loginError
	if errors.As(e.Last, &last) {
		failure.Cause = "the last attempt said: " + last.Problem
		failure.Fix = []string{last.Fix, e.Longer()}
	}
	return failure
}

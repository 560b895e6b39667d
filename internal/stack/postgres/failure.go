package postgres

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// cause is why Postgres cannot be used.
type cause string

const (
	causeDNS         cause = "dns"
	causeRefused     cause = "refused"
	causeTimeout     cause = "timeout"
	causeSilent      cause = "silent"
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
	why      string
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

// remedyFor returns the remedy of a cause, in the words of the place.
func remedyFor(c cause) remedy {
	at := place.Here()
	switch c {
	case causeDNS:
		return remedy{untilDeadline, exit.Unavailable, "the name in POSTGRES_URL or DB_HOST is wrong, no network has both containers, or the server's container is stopped: a stopped container has no name",
			at.State("db") + " (is it up? " + at.Start("db") + "); if it is, check the host in POSTGRES_URL or DB_HOST"}
	case causeRefused:
		return remedy{untilDeadline, exit.Unavailable, "the host is there, and no Postgres listens on that port of it",
			"check that Postgres runs there (" + at.State("db") + ") and listens on that port (POSTGRES_URL or DB_HOST, DB_PORT)"}
	case causeTimeout:
		return remedy{untilDeadline, exit.Unavailable, "the host is not there, or something between drops the packets",
			"a firewall may drop the packets; check the host and port in POSTGRES_URL or DB_HOST, DB_PORT"}
	case causeSilent:
		return remedy{untilDeadline, exit.Unavailable, "Postgres accepts connections but does not answer: it is stopped in the middle (" + at.Frozen() + "), out of memory or I/O, or no Postgres",
			at.Tail(50, "db") + "; " + at.Load("db") + "; " + at.Restart("db") + ", if it stays silent; and look whether POSTGRES_URL or DB_HOST, DB_PORT name another service"}
	case causeNetwork:
		return remedy{untilDeadline, exit.Unavailable, "what answers there is no Postgres, or breaks off",
			"check the host and port in POSTGRES_URL or DB_HOST, DB_PORT, and Postgres' own log"}
	case causeStarting:
		return remedy{untilDeadline, exit.Unavailable, "Postgres starts, stops or recovers", "look at Postgres' log: recovery after a crash takes a while"}
	case causeFull:
		return remedy{untilDeadline, exit.Unavailable, "other clients hold all its connections", "raise max_connections of Postgres or stop other clients"}
	case causeReadOnly:
		return remedy{untilDeadline, exit.Unavailable, "the server is a standby, or was made read-only", "name the primary server in POSTGRES_URL or DB_HOST"}
	case causeLease:
		return remedy{untilDeadline, exit.Unavailable, "a backend that is killed leaves its transaction open until Postgres notices; or another backend runs on this database",
			"look for it in pg_stat_activity and end it: SELECT pg_terminate_backend(PID)"}
	case causeClock:
		return remedy{clockPatience, exit.Config, "the backend takes its lease with the time of its clock, and only over an older one",
			"set this machine's clock; if it is right (the other one was ahead, or the machine was restored), make sure that no backend runs and say UPDATE leases SET ts = 0"}
	case causeNoDatabase:
		return remedy{initPatience, exit.Config, "INSTANCE_NAME was changed, the database was dropped, or this is another server or a new volume of it", ""}
	case causeTLS:
		return remedy{0, exit.Config, "the server and this side do not agree on TLS, or its certificate is not signed by an authority that is known here",
			"name the signing authority's certificate in PG_CA_FILE, or add ?sslmode=disable to POSTGRES_URL if the network is trusted"}
	case causeLogin:
		return remedy{0, exit.NoPermission, "user and password are not those of the server; a Postgres volume keeps the password it was first made with",
			"compare POSTGRES_URL or DB_USER and DB_PASSWORD with the server; a Postgres volume keeps the password it was first made with: put that back, or say ALTER USER … PASSWORD there"}
	case causeNoPrivilege:
		return remedy{0, exit.NoPermission, "the database or its tables belong to another user, as after a restore", ""}
	case causeNoSchema:
		return remedy{initPatience, exit.Config, "the search_path of this login leads nowhere", "create it: CREATE SCHEMA, or correct search_path or options in POSTGRES_URL"}
	case causeElsewhere:
		return remedy{0, exit.Config, "the search_path of this login leads past the backend's tables", "leave search_path and options out of POSTGRES_URL (the backend by itself ignores a search_path there), or move the tables: ALTER TABLE … SET SCHEMA"}
	case causeTooOld:
		return remedy{0, exit.Config, "the backend uses what older servers do not have", "move the data to a newer Postgres (dump and restore, or pg_upgrade)"}
	default:
		return remedy{untilDeadline, exit.Unavailable, "its own words above say why", "look at " + at.PostgresLog()}
	}
}

// loginError is a failed login in one sentence, which never holds the password.
// It does not unwrap to the driver's error: the sentence is the whole message.
type loginError struct {
	Cause   cause
	Server  string // HOST:PORT
	Problem string
	Why     string
	Fix     string
	More    []string // other things to do
}

func (e *loginError) Error() string { return e.Problem + "; " + e.Fix }

// ExitCode returns the code of a boot that ends with this error.
func (e *loginError) ExitCode() int { return remedyFor(e.Cause).code }

// Report explains the error in a boot's report.
func (e *loginError) Report() report.Failure {
	return report.New(e.ExitCode(), "cannot use Postgres at "+e.Server+": "+e.Problem, e.Why, e.Fix, e.More...)
}

// lateError is a Postgres that was not usable within the deadline.
type lateError struct{ *health.GaveUpError }

// Report explains the error in a boot's report.
func (e *lateError) Report() report.Failure {
	cause, fix := "the last attempt said: "+netcause.Reason(e.Last), []string{e.Longer()}
	var last *loginError
	if errors.As(e.Last, &last) {
		cause = "the last attempt said: " + last.Problem + "; " + last.Why
		fix = slices.Concat([]string{last.Fix}, last.More, fix)
	}
	return report.New(exit.Unavailable, e.What(), cause, fix[0], fix[1:]...)
}

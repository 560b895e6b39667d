package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The backend's start writes the time of its own clock, in ns, into the one row of the
// table leases, and only over an older one (postgres/src/{lib,sql}.rs of convex-backend
// at 5f66740a and 94a42c3d). It waits 30 s for a lock on that row, without a word, and
// ends.
const (
	leaseTableQuery = `SELECT to_regclass(quote_ident(current_schema()) || '.leases') IS NOT NULL`
	// readLease waits for no lock of a row, as the commits of a backend hold it;
	// lock_timeout is about the table.
	readLease = `BEGIN; SET LOCAL lock_timeout = '1s'; SELECT ts FROM leases WHERE id = 1`
	// takeLease takes the lock that an UPDATE of the row takes.
	takeLease = readLease + ` FOR NO KEY UPDATE NOWAIT`
	// leaseHolderQuery finds the oldest transaction that has locked rows of the table,
	// or the table itself.
	leaseHolderQuery = `ROLLBACK; SELECT l.pid, coalesce(a.state, 'unknown'), coalesce(a.client_addr::text, 'the server itself'),
	coalesce(to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'not known')
FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
WHERE l.relation = to_regclass('leases') AND l.granted AND l.mode <> 'AccessShareLock' AND l.pid <> pg_backend_pid()
ORDER BY a.xact_start LIMIT 1`
)

// lockNotAvailable is Postgres' code for NOWAIT and lock_timeout.
const lockNotAvailable = "55P03"

// checkLease finds out by one of the two queries whether the backend can take its lease; a
// database that has no table of leases yet is free.
func (l Login) checkLease(ctx context.Context, conn *pgconn.PgConn, query string, now time.Time) error {
	there, err := lastRow(ctx, conn, leaseTableQuery)
	if err != nil {
		return l.classify(err)
	}
	if len(there) != 1 || there[0] != "t" {
		return nil
	}
	lease, err := lastRow(ctx, conn, query)
	if failed := new(pgconn.PgError); errors.As(err, &failed) && failed.Code == lockNotAvailable {
		if query == readLease {
			return nil // among those who hold it may be the backend
		}
		return l.leaseHeld(ctx, conn)
	}
	if err != nil {
		return l.classify(err)
	}
	if len(lease) == 0 {
		return nil // the backend writes the row before it asks for the lease
	}
	taken, err := strconv.ParseInt(lease[0], 10, 64)
	if err != nil {
		return l.classify(fmt.Errorf("the time of the lease, %q, is not a number", lease[0]))
	}
	// What is said does not change from one try to the next, or each would be logged.
	if at := time.Unix(0, taken); !at.Before(now) {
		return l.verdict(causeClock, fmt.Sprintf("the lease on database %q was last taken at %s, which is in the future: this machine's clock is behind the one that took it",
			l.Database, at.UTC().Format(time.RFC3339)))
	}
	return nil
}

func (l Login) leaseHeld(ctx context.Context, conn *pgconn.PgConn) error {
	holder, err := lastRow(ctx, conn, leaseHolderQuery)
	if err != nil || len(holder) != 4 || holder[0] == "" {
		return l.verdict(causeLease, "another transaction has locked the lease on database "+strconv.Quote(l.Database)+", perhaps a prepared one (pg_prepared_xacts)")
	}
	failed := l.verdict(causeLease, fmt.Sprintf("the session with pid %s (%s, from %s, in a transaction since %s) has locked the lease on database %q",
		holder[0], holder[1], holder[2], holder[3], l.Database))
	failed.Fix = "if that is no running backend but what one has left behind, end it: SELECT pg_terminate_backend(" + holder[0] + ")"
	return failed
}

// lastRow returns the first row of the last statement of a query, nil without one.
func lastRow(ctx context.Context, conn *pgconn.PgConn, query string) ([]string, error) {
	results, err := conn.Exec(ctx, query).ReadAll()
	if err != nil || len(results) == 0 || len(results[len(results)-1].Rows) == 0 {
		return nil, err
	}
	var row []string
	for _, value := range results[len(results)-1].Rows[0] {
		row = append(row, string(value))
	}
	return row, nil
}

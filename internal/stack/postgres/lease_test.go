package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
)

// leases are the statements of the backend's start (postgres/src/sql.rs).
const leases = `CREATE TABLE leases (id BIGINT NOT NULL, ts BIGINT NOT NULL, PRIMARY KEY (id)); INSERT INTO leases (id, ts) VALUES (1, 0) ON CONFLICT DO NOTHING`

// What keeps the backend from its lease, and what does not.
func TestLease(t *testing.T) {
	login := startRealPostgres(t)
	if _, err := login.WaitReady(t.Context(), logging.Discard(), login.Wait(time.Minute)); err == nil {
		t.Fatal("the database is there already")
	}
	createDatabase(t, login)
	free := func(when string) {
		t.Helper()
		if _, err := login.Try(t.Context()); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	free("without a table")
	other := session(t, login)
	other.do(leases)
	free("never taken")
	for name, tt := range map[string]struct {
		locks string // left open by another session
		pid   bool   // is named
	}{
		"locked by a commit":   {"BEGIN; SELECT 1 FROM leases WHERE id=1 AND ts=0 FOR SHARE", true},
		"locked by a start":    {"BEGIN; UPDATE leases SET ts=1 WHERE id=1 AND ts<1", true},
		"a locked table":       {"BEGIN; LOCK TABLE leases IN ACCESS EXCLUSIVE MODE", true},
		"locked and forgotten": {"BEGIN; SELECT 1 FROM leases FOR UPDATE; PREPARE TRANSACTION 'left'", false},
	} {
		other.do(tt.locks)
		_, err := login.Try(t.Context())
		failed := new(loginError)
		if !errors.As(err, &failed) || failed.Cause != causeLease || exit.Code(err) != exit.Unavailable {
			t.Fatalf("%s: %v", name, err)
		}
		if terminate := "pg_terminate_backend(" + other.pid + ")"; strings.Contains(failed.Fix, terminate) != tt.pid {
			t.Errorf("%s: %v, want pid %s", name, err, other.pid)
		}
		if again := second(login.Try(t.Context())); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: first %v, then %v", name, err, again)
		}
		if _, err := login.Look(t.Context()); err != nil {
			t.Errorf("%s: beside it: %v", name, err)
		}
		if tt.pid {
			other.do("ROLLBACK")
		} else {
			other.do("ROLLBACK PREPARED 'left'")
		}
		free("after " + name)
	}
	other.do("BEGIN; SELECT 1 FROM leases") // as a backup reads
	free("read by another")
	other.do("COMMIT; UPDATE leases SET ts = (extract(epoch FROM clock_timestamp() + interval '1 hour') * 1e9)::bigint")
	_, err := login.Try(t.Context())
	failed := new(loginError)
	if !errors.As(err, &failed) || failed.Cause != causeClock || exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "which is in the future") {
		t.Errorf("taken in an hour: %v", err)
	}
	if _, beside := login.Look(t.Context()); beside == nil || beside.Error() != err.Error() {
		t.Errorf("taken in an hour, looked at: %v", beside)
	}
	other.do("UPDATE leases SET ts = (extract(epoch FROM clock_timestamp()) * 1e9)::bigint")
	free("taken a moment ago")
}

// otherSession is another client of the database.
type otherSession struct {
	t    *testing.T
	conn *pgconn.PgConn
	pid  string
}

func session(t *testing.T, login Login) otherSession {
	t.Helper()
	u := *login.Server.URL
	u.Path = "/" + login.Database
	conn, err := pgconn.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	row, err := lastRow(t.Context(), conn, "SELECT pg_backend_pid()")
	if err != nil {
		t.Fatal(err)
	}
	return otherSession{t, conn, row[0]}
}

func (s otherSession) do(query string) {
	s.t.Helper()
	if _, err := s.conn.Exec(s.t.Context(), query).ReadAll(); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
}

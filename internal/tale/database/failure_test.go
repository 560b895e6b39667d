package database

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// TestExplain: a server's words mean the same here as to convex, but for what the commands of
// tale mend.
func TestExplain(t *testing.T) {
	it := Target{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.UserPassword("tale", "canary"), Host: "pg.example:5432"}}}
	for _, tt := range []struct {
		state, message string
		code           int
		why, fix       string
	}{
		{"28P01", `password authentication failed for user "tale"`, exit.NoPermission, `the login as user "tale" is refused`, "keeps the password it was first made with"},
		{"28000", `no pg_hba.conf entry for host "10.0.0.9", user "tale", database "postgres", no encryption`, exit.NoPermission, "is refused", "add one to the pg_hba.conf of the server"},
		{"28000", `role "tale" is not permitted to log in`, exit.NoPermission, "is refused", `ALTER ROLE "tale" LOGIN`},
		{"53300", `too many connections for role "tale"`, exit.Unavailable, "no connection left", `ALTER ROLE "tale" CONNECTION LIMIT -1`},
		{"55000", `database "shop" is not currently accepting connections`, exit.Unavailable, "not currently accepting", `ALTER DATABASE "shop" ALLOW_CONNECTIONS true`},
		{"53100", "could not extend file: No space left on device", exit.Unavailable, "No space left", "free some space there"},
		{"57P03", "the database system is starting up", exit.Unavailable, "it is not ready", "recovery after a crash"},
		{"3D000", `database "shop" does not exist`, exit.Config, `there is no database "shop"`, "`tale db init`"},
		{"42501", "permission denied to create database", exit.NoPermission, "lacks a privilege", "`tale db status`"},
		{"XX000", "could not read block", exit.Unavailable, "could not read block (SQLSTATE XX000)", "log"},
	} {
		err := it.failed(t.Context(), "shop", &pgconn.PgError{Code: tt.state, Message: tt.message})
		said := err.Error()
		if exit.Code(err) != tt.code || !strings.HasPrefix(said, "cannot use Postgres at pg.example:5432: ") || !strings.Contains(said, tt.why) || !strings.Contains(said, tt.fix) || strings.Contains(said, "canary") {
			t.Errorf("%s %s: %d, %s", tt.state, tt.message, exit.Code(err), said)
		}
		if state(err) != tt.state {
			t.Errorf("%s: the error of the server is lost", tt.state)
		}
	}
}

package postgres

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// startRealPostgres runs a fresh server.
func startRealPostgres(t *testing.T) Login {
	t.Helper()
	u := testkit.StartPostgres(t, "-c", "max_prepared_transactions=1")
	made, err := stack.Database{PostgresURL: config.Secret(u.String())}.Server()
	if err != nil {
		t.Fatal(err)
	}
	return Login{Server: made, Database: "tale_platform"}
}

// The fake of the other tests is only as right as we know Postgres to be.
func TestRealPostgres(t *testing.T) {
	login := startRealPostgres(t)
	// Refused, then starting, then there: without the database for as long as
	// init scripts are given.
	_, err := login.WaitReady(t.Context(), logging.Discard(), login.Wait(time.Minute))
	if err == nil || !strings.Contains(err.Error(), `there is no database "tale_platform"`) {
		t.Fatalf("without the database: %v", err)
	}
	createDatabase(t, login)
	facts, err := login.WaitReady(t.Context(), logging.Discard(), login.Wait(time.Minute))
	if err != nil || facts.TLS || facts.Version == "" {
		t.Errorf("%+v, %v", facts, err)
	}
	if login.SharesConnections(t.Context()) {
		t.Error("a pooler is seen where there is none")
	}
	wrong := login
	other := *login.Server.URL
	other.User = url.UserPassword("tale", "another")
	wrong.Server.URL = &other
	if failed := new(loginError); !errors.As(second(wrong.Try(t.Context())), &failed) || failed.Cause != causeLogin {
		t.Errorf("with a wrong password: %v", failed)
	}
	login.Server.Mode = stack.SSLRequire
	if failed := new(loginError); !errors.As(second(login.Try(t.Context())), &failed) || failed.Cause != causeTLS {
		t.Errorf("with TLS required: %v", failed)
	}
	login.Server.Mode = stack.SSLPrefer
	trySchemas(t, login)
}

// trySchemas logs in as a role that has nothing in public, as managed servers give
// it out, and compares each verdict with what the role can do when it tries.
func trySchemas(t *testing.T, owner Login) {
	t.Helper()
	execute(t, owner.Server.URL, owner.Database, `CREATE ROLE app LOGIN PASSWORD 'x'; CREATE ROLE other;
		CREATE SCHEMA convex AUTHORIZATION app; CREATE SCHEMA "Odd,name" AUTHORIZATION app; CREATE SCHEMA foreign_;
		CREATE SCHEMA used; GRANT USAGE ON SCHEMA used TO app; CREATE TABLE used.documents (); GRANT INSERT ON used.documents TO app;
		CREATE SCHEMA seen; GRANT USAGE ON SCHEMA seen TO app; CREATE TABLE seen.documents ();
		CREATE TABLE public.documents ()`)
	for parameters, want := range map[string]cause{
		"":                               causeNoPrivilege,
		"search_path=convex":             "",
		"search_path=convex,+public":     "",
		"search_path=public,convex":      causeNoPrivilege,
		"options=-csearch_path%3Dconvex": "",
		"options=-c%20search_path%3Dconvex%20-c%20statement_timeout%3D9s": "",
		"options=--search_path%3Dconvex":                                  "",
		`search_path="Odd,name"`:                                          "",
		"search_path=missing":                                             causeNoSchema,
		"search_path=missing,convex":                                      "",
		"search_path=foreign_":                                            causeNoSchema,
		"search_path=used":                                                "",
		"search_path=seen":                                                causeNoPrivilege,
		"options=-cnonsense%3D1":                                          causeOther,
		"application_name=x&search_path=convex&target_session_attrs=read-only&keepalives=0": "",
	} {
		made, err := stack.Database{PostgresURL: config.Secret("postgresql://app:x@" + owner.Server.Address() + "?" + parameters)}.Server()
		if err != nil {
			t.Fatal(err)
		}
		failed := new(loginError)
		if _, err := (Login{Server: made, Database: owner.Database}).Try(t.Context()); errors.As(err, &failed) != (want != "") || failed.Cause != want {
			t.Errorf("%s: %v, want %q", parameters, err, want)
		}
	}
	execute(t, owner.Server.URL, owner.Database, `CREATE TABLE public.persistence_globals ()`)
	owner.Server.URL.RawQuery = "options=-csearch_path%3Dconvex"
	if failed := new(loginError); !errors.As(second(owner.Try(t.Context())), &failed) || failed.Cause != causeElsewhere {
		t.Errorf("with tables in public: %v", failed)
	}
	execute(t, owner.Server.URL, owner.Database, `CREATE TABLE convex.documents ()`)
	if _, err := owner.Try(t.Context()); err != nil {
		t.Errorf("with tables in both: %v", err)
	}
}

// A login sees whether there are documents, and waits for nothing that holds their table.
func TestRealPostgresWithALockedTable(t *testing.T) {
	login := startRealPostgres(t)
	login.Database = "postgres"
	if _, err := login.WaitReady(t.Context(), logging.Discard(), login.Wait(time.Minute)); err != nil {
		t.Fatal(err)
	}
	inUse := func(when string, want bool) {
		t.Helper()
		if facts, err := login.Try(t.Context()); err != nil || facts.InUse != want {
			t.Errorf("%s: %+v, %v", when, facts, err)
		}
	}
	inUse("without the table", false)
	execute(t, login.Server.URL, login.Database, `CREATE TABLE documents (id int)`)
	execute(t, login.Server.URL, login.Database, `VACUUM documents`)
	inUse("an empty table", false)
	execute(t, login.Server.URL, login.Database, `DROP TABLE documents; CREATE TABLE documents (id int); INSERT INTO documents VALUES (1)`)
	inUse("documents", true)
	// A prepared transaction keeps its locks without a connection.
	execute(t, login.Server.URL, login.Database, `BEGIN; LOCK TABLE documents; PREPARE TRANSACTION 'rewrite'`)
	inUse("documents that are locked", true)
	execute(t, login.Server.URL, login.Database, `ROLLBACK PREPARED 'rewrite'`)
	execute(t, login.Server.URL, login.Database, `VACUUM FULL documents`)
	inUse("after a VACUUM", true)
}

func createDatabase(t *testing.T, login Login) {
	t.Helper()
	execute(t, login.Server.URL, "postgres", "CREATE DATABASE "+login.Database)
}

func execute(t *testing.T, server *url.URL, database, statements string) {
	t.Helper()
	u := *server
	u.Path = "/" + database
	conn, err := pgconn.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), statements).ReadAll()
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func second(_ Facts, err error) error { return err }

package database

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// targetVariable and dirVariable tell the program below what to migrate.
const (
	targetVariable = "TALE_TEST_TARGET"
	dirVariable    = "TALE_TEST_DIR"
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{"migrate": func() int {
		server, _, err := stack.ParsePostgres("--url", os.Getenv(targetVariable))
		if err == nil {
			_, err = Target{Server: server}.Migrate(context.Background(), "postgres", os.Getenv(dirVariable), 0, func(string) {})
		}
		fmt.Fprintln(os.Stderr, err)
		return exit.Code(err)
	}}))
}

// program starts another process that migrates.
func program(t *testing.T, u *url.URL, dir string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), testkit.RoleVariable+"=migrate", targetVariable+"="+u.String(), dirVariable+"="+dir)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	return command
}

// clean empties the database that these tests migrate.
func clean(t *testing.T, it Target) {
	t.Helper()
	sql(t, it, "postgres", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
}

// A migration that is killed in the middle leaves nothing of it, and the next run does it.
func killedMigrations(t *testing.T, it Target, u *url.URL) {
	clean(t, it)
	for round := range 5 {
		dir := t.TempDir()
		testkit.WriteTree(t, dir, map[string]string{fmt.Sprintf("%d_a.sql", round): fmt.Sprintf("-- migrate:up\nCREATE TABLE t%d (); SELECT pg_sleep(60); CREATE TABLE u%[1]d ();\n-- migrate:down\n", round)})
		killed := program(t, u, dir)
		testkit.Eventually(t, "it sleeps", func() bool {
			return len(sql(t, it, "postgres", "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")) > 0
		})
		if _, err := it.Migrate(t.Context(), "postgres", dir, 0, func(string) {}); exit.Code(err) != exit.Temporary || !strings.Contains(err.Error(), "another tale (process ") {
			t.Errorf("beside another: %v", err)
		}
		if err := killed.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = killed.Wait()
		testkit.Eventually(t, "the server notices", func() bool {
			return len(sql(t, it, "postgres", "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")) == 0
		})
		if rows := sql(t, it, "postgres", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"); rows[0][0] != fmt.Sprint(2*round) {
			t.Fatalf("round %d: %v tables", round, rows)
		}
		testkit.WriteTree(t, dir, map[string]string{fmt.Sprintf("%d_a.sql", round): fmt.Sprintf("-- migrate:up\nCREATE TABLE t%d (); CREATE TABLE u%[1]d ();\n-- migrate:down\n", round)})
		if applied, err := it.Migrate(t.Context(), "postgres", dir, time.Minute, func(string) {}); err != nil || applied != 1 {
			t.Fatalf("round %d: %d, %v", round, applied, err)
		}
	}
}

// Several at once apply each migration once.
func migrationsAtOnce(t *testing.T, it Target, _ *url.URL) {
	clean(t, it)
	dir := t.TempDir()
	for version := range 20 {
		testkit.WriteTree(t, dir, map[string]string{fmt.Sprintf("%02d_a.sql", version): fmt.Sprintf("-- migrate:up\nCREATE TABLE t%d ();\n-- migrate:down\n", version)})
	}
	var all sync.WaitGroup
	errs, applied := make([]error, 5), make([]int, 5)
	for i := range errs {
		all.Go(func() { applied[i], errs[i] = it.Migrate(t.Context(), "postgres", dir, time.Minute, func(string) {}) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil || slices.Max(applied) != 20 || applied[0]+applied[1]+applied[2]+applied[3]+applied[4] != 20 {
		t.Errorf("%v, %v", applied, err)
	}
	if s, err := it.MigrationStatus(t.Context(), "postgres", dir); err != nil || len(s.Applied) != 20 || len(s.Pending)+len(s.Lost) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := it.MigrationStatus(t.Context(), "postgres", t.TempDir()); err != nil || len(s.Lost) != 20 {
		t.Errorf("%+v, %v", s, err)
	}
}

// What dbmate would leave half done is refused before it begins, or as soon as it shows,
// and what fails says where.
func refusedMigrations(t *testing.T, it Target, _ *url.URL) {
	for content, want := range map[string]string{
		"-- migrate:up\nCREATE TABLE t ();\n-- migrate:down\n-- migrate:up\nCREATE TABLE u ();\n-- migrate:down\n":  "two lines `-- migrate:up`",
		"-- migrate:up\nCREATE TABLE t (); ROLLBACK;\n-- migrate:down\n":                                            "rolls its own transaction back",
		"-- migrate:up transaction:false\nBEGIN; CREATE TABLE t ();\n-- migrate:down\n":                             "begins a transaction and does not end it",
		"-- ä\n\n-- migrate:up\nSELECT 'ä';\n\nCREATE TABLE t ();\nSELEC 1;\n-- migrate:down\n":                     "1_a.sql, line 7: ERROR: syntax error at or near \"SELEC\" (SQLSTATE 42601)",
		"-- migrate:up\nDO $$ BEGIN RAISE EXCEPTION 'no' USING HINT = 'a hint'; END $$;\n-- migrate:down\n":         "HINT: a hint",
		"-- migrate:up\nCREATE TABLE t (id int); COPY t FROM STDIN;\n-- migrate:down\n":                             "COPY FROM STDIN",
		"-- migrate:up\nCREATE TABLE t (id int); SELECT pg_terminate_backend(pg_backend_pid());\n-- migrate:down\n": "nothing of it stays",
	} {
		clean(t, it)
		dir := t.TempDir()
		testkit.WriteTree(t, dir, map[string]string{"1_a.sql": content})
		_, err := it.Migrate(t.Context(), "postgres", dir, 0, func(string) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", content, err)
		}
		if rows := sql(t, it, "postgres", "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations' UNION ALL SELECT version FROM schema_migrations"); len(rows) > 0 {
			t.Errorf("%q leaves %v", content, rows)
		}
	}
}

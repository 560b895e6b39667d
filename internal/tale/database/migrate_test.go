package database

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

var (
	sets = flag.Int("sets", 25, "how many random sets of migrations are compared with dbmate")
	from = flag.Int("from", 0, "the first of them")
)

// target returns a server as a command gets it.
func target(t testing.TB, u *url.URL) Target {
	t.Helper()
	server, _, err := stack.ParsePostgres("--url", u.String())
	if err != nil {
		t.Fatal(err)
	}
	return Target{Server: server}
}

// TestOnAServer runs what needs one, each in a server as it was at first.
func TestOnAServer(t *testing.T) {
	it, u := start(t)
	for name, test := range map[string]func(*testing.T, Target, *url.URL){
		"the end is that of dbmate":   theEndIsThatOfDbmate,
		"killed migrations":           killedMigrations,
		"migrations at once":          migrationsAtOnce,
		"refused migrations":          refusedMigrations,
		"init is done once":           initIsDoneOnce,
		"init is that of the image":   initIsThatOfTheImage,
		"init without superuser":      initWithoutSuperuser,
		"inits at once":               initsAtOnce,
		"servers that cannot be used": serversThatCannotBeUsed,
	} {
		t.Run(name, func(t *testing.T) {
			for _, row := range sql(t, it, "postgres", "SELECT format('DROP DATABASE %I WITH (FORCE)', datname) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'") {
				sql(t, it, "postgres", row[0])
			}
			for _, row := range sql(t, it, "postgres", "SELECT format('DROP ROLE %I', rolname) FROM pg_roles WHERE rolname !~ '^(pg_|tale$)'") {
				sql(t, it, "postgres", row[0])
			}
			test(t, it, u)
		})
	}
}

// start runs a server and waits for it.
func start(t testing.TB) (Target, *url.URL) {
	t.Helper()
	u := testkit.StartPostgres(t)
	it := target(t, u)
	testkit.Eventually(t, "the server lets us in", func() bool {
		c, err := it.connect(t.Context(), "postgres")
		if err == nil {
			c.close(t.Context())
		}
		return err == nil
	})
	return it, u
}

// sql runs statements one by one in a database of the superuser.
func sql(t testing.TB, it Target, database string, statements ...string) [][]string {
	t.Helper()
	c, err := it.connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close(t.Context())
	var rows [][]string
	for _, statement := range statements {
		if rows, err = c.rows(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return rows
}

// endState returns all that migrations can make of a database.
func endState(t testing.TB, it Target, database string) [][]string {
	t.Helper()
	c, err := it.connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close(t.Context())
	ask := func(question string) [][]string {
		rows, err := c.rows(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	const own = ` !~ '^(pg_|information_schema)' `
	rows := ask(`SELECT 'column', table_schema, table_name, column_name, data_type, is_nullable, coalesce(column_default, '') FROM information_schema.columns WHERE table_schema` + own + `
		UNION ALL SELECT 'index', schemaname, tablename, indexdef, '', '', '' FROM pg_indexes WHERE schemaname` + own + `
		UNION ALL SELECT 'relation', nspname, relname, relkind::text, '', '', '' FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname` + own + `
		UNION ALL SELECT 'function', nspname, proname, prosrc, '', '', '' FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname` + own + `
		UNION ALL SELECT 'type', nspname, typname, typtype::text, '', '', '' FROM pg_type JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname` + own + `
		UNION ALL SELECT 'schema', nspname, '', '', '', '', '' FROM pg_namespace WHERE nspname` + own + `ORDER BY 1, 2, 3, 4, 5`)
	for _, table := range ask(`SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables WHERE schemaname` + own + `ORDER BY 1`) {
		for _, row := range ask("SELECT t::text FROM " + table[0] + " t ORDER BY 1") {
			rows = append(rows, []string{"row", table[0], row[0]})
		}
	}
	return rows
}

// attempt is what became of a run.
type attempt struct {
	Failed string // the file, "" if all went well; "?" if it is none
	State  [][]string
}

var applying = regexp.MustCompile(`(?m)^Applying: (.*)$`)

// dbmate runs the original.
func dbmate(t *testing.T, it Target, u url.URL, database, parameters, dir string) (attempt, string) {
	t.Helper()
	u.Path, u.RawQuery = "/"+database, "sslmode=disable&"+parameters
	command := exec.CommandContext(t.Context(), testkit.Dbmate(t), "--no-dump-schema", "--url", u.String(), "--migrations-dir", dir, "migrate")
	command.Dir, command.Env = t.TempDir(), []string{}
	out, err := command.CombinedOutput()
	result := attempt{State: endState(t, it, database)}
	if err != nil {
		result.Failed = "?"
		if all := applying.FindAllSubmatch(out, -1); len(all) > 0 {
			result.Failed = string(all[len(all)-1][1])
		}
	}
	return result, string(out)
}

var cannotApply = regexp.MustCompile(`^(?:cannot apply )?([^ /]*\.sql)\b`)

// ours runs what is tested.
func ours(t *testing.T, it Target, u url.URL, database, parameters, dir string) (attempt, string) {
	t.Helper()
	u.RawQuery = "sslmode=disable&" + parameters
	var said []string
	_, err := target(t, &u).Migrate(t.Context(), database, dir, 0, func(text string) { said = append(said, text) })
	result := attempt{State: endState(t, it, database)}
	if err != nil {
		result.Failed = "?"
		if found := cannotApply.FindStringSubmatch(strings.SplitN(err.Error(), ",", 2)[0]); found != nil {
			result.Failed = found[1]
		}
		said = append(said, err.Error())
	}
	return result, strings.Join(said, "\n")
}

// pieces of migrations, good and bad, of which names are drawn from a few so that they
// collide and depend on each other.
func pieces(random *rand.Rand) string {
	table := string(rune('a' + random.IntN(4)))
	all := []string{
		"CREATE TABLE %[1]s (id int PRIMARY KEY, at date);", "CREATE TABLE IF NOT EXISTS %[1]s (id int);", "ALTER TABLE %[1]s ADD COLUMN more text DEFAULT 'x;--y';",
		"INSERT INTO %[1]s VALUES (1, '01/02/2020'), (2, NULL);", "INSERT INTO %[1]s (id) VALUES (3)", "DROP TABLE IF EXISTS %[1]s;", "DROP TABLE %[1]s;",
		"CREATE INDEX ON %[1]s (id);", "CREATE INDEX CONCURRENTLY IF NOT EXISTS %[1]s_c ON %[1]s (id);", "CREATE SCHEMA IF NOT EXISTS other; CREATE TABLE IF NOT EXISTS other.%[1]s ();",
		"CREATE OR REPLACE FUNCTION f_%[1]s() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;", "DO $do$ BEGIN RAISE NOTICE 'x'; END $do$;",
		"DO $do$ BEGIN RAISE EXCEPTION 'no'; END $do$;", "SELECT 1/0;", "SELEC;", "-- only a comment", "", "/* -- migrate:down */", "VACUUM;", "SET search_path = other;",
		"SET LOCAL search_path = other;", "SELECT pg_catalog.set_config('search_path', '', false);", "RESET search_path;", "CREATE TYPE t_%[1]s AS ENUM ('x', 'ü');",
		"COMMIT; BEGIN;", "COPY %[1]s FROM STDIN;\n1\n\\.", "COPY %[1]s TO STDOUT;", "SAVEPOINT s; SELECT 1; ROLLBACK TO s;", "COMMIT;", "\ufeff", "\\connect other", "CREATE TABLE \"%[1]s\" AS SELECT 'ü' AS \"ä\";", "select '\xff';",
		"SET default_transaction_read_only = on;", "CREATE TEMP TABLE %[1]s (x int);", "DELETE FROM %[1]s;", "DELETE FROM schema_migrations;", "SET session_replication_role = replica; SET ROLE tale;", "PREPARE p_%[1]s AS SELECT 1;",
	}
	piece := all[random.IntN(len(all))]
	if strings.Contains(piece, "%[1]s") {
		return fmt.Sprintf(piece, table)
	}
	return piece
}

// drawFile draws a migration: mostly well-formed.
func drawFile(random *rand.Rand) string {
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	usually := func(usual string, else_ ...string) string {
		if random.IntN(8) > 0 {
			return usual
		}
		return one(else_...)
	}
	end := usually("\n", "\r\n")
	var text strings.Builder
	text.WriteString(usually("", "-- a comment"+end, end+"  "+end, "CREATE TABLE early ();"+end, "-- migrate:down"+end, "-- migrate:down"+end+"DROP TABLE a;"+end))
	options := one("", "", "", " transaction:false", " transaction:true", " transaction:false transaction:true", " transaction:false:x", " env:X  transaction:false", " transaction: false", "  ")
	text.WriteString(usually("-- migrate:up", "--migrate:up", "--   migrate:up", "--\nmigrate:up", " -- migrate:up", "-- migrate:upx", "-- Migrate:up", "-- migrate: up") + options + end)
	for range random.IntN(4) {
		text.WriteString(pieces(random) + one("\n", "\r\n", "", "\n\n", " "))
	}
	text.WriteString(usually("\n-- migrate:down\n", "", "-- migrate:down", "\n-- migrate:down transaction:false\n", "\n-- migrate:down\n-- migrate:down\n", "\n--migrate:down\n", "\n-- migrate:downward\n"))
	text.WriteString(usually("", "DROP TABLE a;\n"))
	return text.String()
}

func drawName(random *rand.Rand) string {
	version := fmt.Sprint([]int{1, 2, 3, 10, 20260101000001, 20260101000002, 20260408000001}[random.IntN(7)])
	switch random.IntN(12) {
	case 0:
		return version + ".sql"
	case 1:
		return version + "x.sql"
	case 2:
		return "0" + version + "_x.sql"
	case 3:
		return "x" + version + ".sql"
	case 4:
		return version + "_x.SQL"
	}
	return version + "_" + string(rune('a'+random.IntN(3))) + ".sql"
}

// knownToDiffer reports what dbmate leaves half done: of a file with two up blocks, and of
// one that begins a transaction for those after it.
func knownToDiffer(files map[string]string) bool {
	for _, content := range files {
		up, err := parseUp(content)
		if len(upDirective.FindAllString(content, -1)) > 1 || err == nil && !up.transaction && strings.Contains(up.text, "BEGIN;") {
			return true
		}
	}
	return false
}

// Random sets of migrations, valid and broken, in databases that have had some, come to
// the same end with dbmate: the same schema and rows, the same versions recorded, and
// the same file that failed.
func theEndIsThatOfDbmate(t *testing.T, it Target, u *url.URL) {
	testkit.Dbmate(t)
	names := [2]string{"theirs", "ours"}
	sql(t, it, "postgres", "CREATE DATABASE theirs", "CREATE DATABASE ours")
	// To drop a database takes a checkpoint.
	empty := []string{`DO $$ DECLARE name text; BEGIN FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)' LOOP EXECUTE format('DROP SCHEMA %I CASCADE', name); END LOOP; END $$`, "CREATE SCHEMA public"}
	for seed := *from; seed < *from+*sets; seed++ {
		random := rand.New(rand.NewPCG(17, uint64(seed)))
		parameters := []string{"", "", "", "search_path=public_web", "search_path=made,public", "search_path=Odd%20name"}[random.IntN(6)]
		setup := []string{"", "", "CREATE SCHEMA public_web", "CREATE TABLE public.schema_migrations (version varchar PRIMARY KEY); INSERT INTO public.schema_migrations VALUES ('1'), ('99')",
			"CREATE SCHEMA public_web; ALTER DATABASE %s SET search_path TO public_web, public", "DROP SCHEMA public"}[random.IntN(6)]
		for _, name := range names {
			sql(t, it, name, slices.Concat(empty, []string{"ALTER DATABASE " + name + " RESET ALL"}, strings.Split(strings.ReplaceAll(setup, "%s", name), "; "))...)
		}
		dir := t.TempDir()
		files := map[string]string{}
		for round := range 2 {
			for range 1 + random.IntN(4) {
				files[drawName(random)] = drawFile(random)
			}
			if knownToDiffer(files) {
				break
			}
			testkit.WriteTree(t, dir, files)
			want, theirs := dbmate(t, it, *u, names[0], parameters, dir)
			got, said := ours(t, it, *u, names[1], parameters, dir)
			if difference := cmp.Diff(want, got); difference != "" {
				t.Fatalf("set %d, round %d, %q, %q: (-dbmate +tale)\n%s\nfiles %q\ndbmate: %s\ntale: %s", seed, round, parameters, setup, difference, files, theirs, said)
			}
		}
	}
}

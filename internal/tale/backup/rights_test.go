package backup

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func (s Server) do(t *testing.T, database, statements string) []string {
	t.Helper()
	lines, err := s.query(t.Context(), database, statements)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// about returns what a backup says of the server's databases.
func (s Server) about(t *testing.T) (m Manifest) {
	t.Helper()
	var err error
	if m.Databases, err = s.databases(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func (s Server) target(t *testing.T) Target {
	t.Helper()
	target, err := Restore{Server: s}.lookAtServer(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// restored puts databases of a backup in their places, with what statements say in place of
// a dump.
func (s Server) restored(t *testing.T, m Manifest, statements string) {
	t.Helper()
	r := Restore{Server: s, Manifest: m, Run: "0123456789abcdef-20260101000000"}
	must(t, s.target(t).Allows(m))
	must(t, r.makeRoles(t.Context(), s.target(t)))
	for _, d := range m.Databases {
		as := beside(d.Name, restoringEnding)
		s.do(t, s.maintenance(), d.created(as)+";\n")
		s.do(t, as, statements)
		must(t, r.complete(t.Context(), d, as))
	}
	must(t, r.swapDatabases(t.Context(), s.target(t)))
}

// rightsInside gives rights of each kind to roles, each of its own: a dump has these.
const rightsInside = `
CREATE TABLE t (id int, text text); CREATE VIEW v AS SELECT 1 AS one; CREATE SEQUENCE s; CREATE SCHEMA inner_one; CREATE TYPE kind AS ENUM ('a');
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; SELECT lo_create(4711);
GRANT SELECT ON t TO reads_table; GRANT UPDATE (text) ON t TO writes_column; GRANT SELECT ON v TO "reads view"; GRANT USAGE ON SEQUENCE s TO counts;
GRANT USAGE ON SCHEMA inner_one TO enters; GRANT USAGE ON TYPE kind TO "Types"; REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC; GRANT EXECUTE ON FUNCTION f() TO calls;
GRANT SELECT ON LARGE OBJECT 4711 TO reads_large; ALTER DEFAULT PRIVILEGES IN SCHEMA inner_one GRANT SELECT ON TABLES TO later;
ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t TO "it's" USING (id > 1);
`

// rightsToAll are those that no dump has.
const rightsToAll = `
REVOKE CONNECT, TEMPORARY ON DATABASE a FROM PUBLIC; GRANT CONNECT ON DATABASE a TO connects WITH GRANT OPTION; GRANT CREATE ON DATABASE a TO "Creates";
ALTER ROLE has_settings IN DATABASE a SET work_mem TO '8MB';
`

var rightsRoles = []string{"Creates", "Types", "calls", "connects", "counts", "enters", "has_settings", "it's", "later", "reads view", "reads_large", "reads_table", "tale", "writes_column"}

// rightsIn returns all of them, as the server has them, and what is not granted.
func (s Server) rightsIn(t *testing.T, database string) []string {
	t.Helper()
	return s.do(t, database, `
SELECT 'table ' || relname || ' ' || relacl::text FROM pg_class WHERE relacl IS NOT NULL AND relnamespace = 'public'::regnamespace
UNION ALL SELECT 'column ' || attname || ' ' || attacl::text FROM pg_attribute WHERE attacl IS NOT NULL AND attrelid = 't'::regclass
UNION ALL SELECT 'schema ' || nspacl::text FROM pg_namespace WHERE nspname = 'inner_one'
UNION ALL SELECT 'type ' || typacl::text FROM pg_type WHERE typname = 'kind'
UNION ALL SELECT 'function ' || proacl::text FROM pg_proc WHERE proname = 'f'
UNION ALL SELECT 'large ' || lomacl::text FROM pg_largeobject_metadata
UNION ALL SELECT 'default ' || defaclacl::text FROM pg_default_acl
UNION ALL SELECT 'policy ' || polname || ' ' || pg_get_userbyid(unnest(polroles)) FROM pg_policy
UNION ALL SELECT 'database ' || datacl::text FROM pg_database WHERE datname = current_database()
ORDER BY 1;
`)
}

// TestRightsComeBack on the same server, and on another one that has none of the roles: they
// are made there, and cannot log in.
func TestRightsComeBack(t *testing.T) {
	here, there := realServer(t), realServer(t)
	for _, role := range rightsRoles {
		if role != "tale" { // whose defaults are changed
			here.do(t, ownMaintenance, "CREATE ROLE "+name(role)+" LOGIN PASSWORD 'canary';\n")
		}
	}
	here.do(t, ownMaintenance, "CREATE DATABASE a;\n")
	here.do(t, "a", rightsInside+rightsToAll)
	want := here.rightsIn(t, "a")
	m := here.about(t)
	if diff := cmp.Diff(rightsRoles, m.Databases[0].Needs); diff != "" {
		t.Fatal(diff)
	}
	for where, s := range map[string]Server{"here": here, "there": there} {
		s.restored(t, m, rightsInside)
		if diff := cmp.Diff(want, s.rightsIn(t, "a")); diff != "" {
			t.Errorf("%s: %s", where, diff)
		}
		if left := s.target(t).Missing(m); len(left) > 0 {
			t.Errorf("%s: %v are missing", where, left)
		}
	}
	if can := there.do(t, ownMaintenance, "SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname <> 'tale';\n"); can[0] != "0" {
		t.Errorf("%s of the roles that were made can log in", can[0])
	}
}

// serverOfOthers returns a server that a provider runs, as its administrator sees it and as
// the project does, whose user is no superuser.
func serverOfOthers(t *testing.T) (admin, s Server) {
	t.Helper()
	u := testkit.StartPostgres(t)
	admin = serverOf(t, u)
	admin.await(t.Context())
	admin.do(t, ownMaintenance, `CREATE ROLE shop LOGIN CREATEDB PASSWORD 'canary'; CREATE ROLE other; CREATE DATABASE defaultdb;
CREATE DATABASE provider; REVOKE ALL ON DATABASE provider, postgres FROM PUBLIC; CREATE DATABASE crm OWNER other; CREATE DATABASE crm_restoring OWNER other;
CREATE DATABASE crm_before_20260101000000 OWNER other; CREATE DATABASE tale_platform OWNER shop; CREATE DATABASE tale_knowledge OWNER shop;
`)
	own := *u
	own.User = url.UserPassword("shop", "canary")
	s = serverOf(t, &own)
	s.Platform, s.Databases = "tale_platform", []string{"tale_platform", "tale_knowledge"}
	reached, err := database.Target{Server: stack.Postgres{URL: &own, Mode: stack.SSLDisable}}.Reach(t.Context())
	if s.Maintenance = reached.Database; err != nil || s.Maintenance != "defaultdb" {
		t.Error(s.Maintenance, err)
	}
	return admin, s
}

// TestAServerOfOthers is one that a provider runs: its user is no superuser, may not see into
// what others have there, and has no database postgres. What is not the project's stays as
// it is and is in no backup.
func TestAServerOfOthers(t *testing.T) {
	admin, s := serverOfOthers(t)
	others := func() []string {
		return admin.do(t, ownMaintenance, "SELECT oid || datname FROM pg_database WHERE datname NOT LIKE 'tale%' ORDER BY 1;\n")
	}
	before := others()
	s.do(t, "tale_platform", "CREATE TABLE documents AS SELECT 1 AS id; GRANT SELECT ON documents TO other;\n")
	admin.do(t, ownMaintenance, "ALTER DATABASE tale_platform SET app.text TO 'canary'; ALTER DATABASE tale_platform SET work_mem TO '8MB'; COMMENT ON DATABASE tale_platform IS 'ours\n tale.restored=no';\n")
	var warned []string
	s.Warn = func(text string) { warned = append(warned, text) }
	m := s.about(t)
	if len(m.Databases) != 2 || m.Databases[0].Name != "tale_knowledge" || !slices.Equal(m.Databases[1].Needs, []string{"other"}) {
		t.Fatalf("%+v", m.Databases)
	}
	s.do(t, "tale_platform", "CREATE SCHEMA of_others CREATE TABLE t (); CREATE SCHEMA empty;\n")
	filled, err := Restore{Server: s, Manifest: m}.lookAtServer(t.Context(), Target{})
	if diff := cmp.Diff([]string{"the database tale_platform (of_others, public)"}, filled.Holds()); err != nil || diff != "" {
		t.Error(err, diff)
	}
	s.restored(t, m, "CREATE TABLE documents AS SELECT 2 AS id;\n")
	if len(warned) != 1 || !strings.Contains(warned[0], `"app.text", which ALTER DATABASE`) || strings.Contains(warned[0], "canary") {
		t.Errorf("it warns of %q", warned)
	}
	if diff := cmp.Diff(m.Databases[1].Settings[1:], s.about(t).Databases[1].Settings); diff != "" {
		t.Error(diff)
	}
	if rows := s.do(t, "tale_platform", "SELECT id FROM documents;\n"); !slices.Equal(rows, []string{"2"}) {
		t.Error(rows)
	}
	if left := s.target(t).left(true); len(left) != 2 || strings.Contains(fmt.Sprint(left), "crm") {
		t.Errorf("it would discard %v", left)
	}
	if diff := cmp.Diff(before, others()); diff != "" {
		t.Error(diff)
	}
	s.heldByOthers(t, admin, m)
	s.lacksRights(t, admin, m)
}

// heldByOthers has others use a database that is to be replaced: what they do there, also the
// server itself, is no error before the rename, which says who it is.
func (s Server) heldByOthers(t *testing.T, admin Server, m Manifest) {
	t.Helper()
	held, err := admin.open(t.Context(), "tale_platform")
	if err != nil {
		t.Fatal(err)
	}
	r := Restore{Server: s, Manifest: m, Run: "0123456789abcdef-20260101000001"}
	for _, d := range m.Databases {
		s.do(t, s.maintenance(), d.created(beside(d.Name, restoringEnding))+";\n")
		must(t, r.complete(t.Context(), d, beside(d.Name, restoringEnding)))
	}
	if err := r.swapDatabases(t.Context(), s.target(t)); err == nil || !strings.Contains(err.Error(), "is being accessed by other users") {
		t.Error(err)
	}
	held.close()
}

// lacksRights takes what a restore needs from the project's user: it says what to ask for.
func (s Server) lacksRights(t *testing.T, admin Server, m Manifest) {
	t.Helper()
	admin.do(t, ownMaintenance, "ALTER DATABASE tale_knowledge OWNER TO other;\n")
	testkit.WantError(t, s.target(t).Allows(m), exit.NoPermission, `ask those who run it for: ALTER DATABASE "tale_knowledge" OWNER TO "shop"`)
	admin.do(t, ownMaintenance, "ALTER DATABASE tale_knowledge OWNER TO shop;\n")
	newer := m
	newer.Postgres = "99.1 (Debian)"
	testkit.WantError(t, s.target(t).Allows(newer), exit.Config, "the backup is of Postgres 99.1 (Debian), and the server of the databases is 16", "cannot read it")
	m.Databases[0].Needs = []string{"reporting", "other"}
	admin.do(t, ownMaintenance, "ALTER ROLE shop NOCREATEDB;\n")
	testkit.WantError(t, s.target(t).Allows(m), exit.NoPermission, "the user shop make", `ALTER ROLE "shop" CREATEDB; CREATE ROLE "reporting"`)
	admin.do(t, ownMaintenance, "ALTER ROLE shop CREATEDB CREATEROLE;\n")
	must(t, s.target(t).Allows(m))
	without := s.target(t)
	must(t, Restore{Server: s, Manifest: m}.makeRoles(t.Context(), without))
	if made := s.target(t).WithoutLogin(m); !slices.Equal(made, []string{"reporting"}) {
		t.Errorf("made %v", made)
	}
	must(t, Restore{Server: s, Manifest: m}.DropRoles(t.Context(), without.Missing(m)))
	if missing := s.target(t).Missing(m); !slices.Equal(missing, []string{"reporting"}) {
		t.Errorf("missing %v", missing)
	}
	must(t, Restore{Server: s, Manifest: m}.makeRoles(t.Context(), without))
	s.do(t, "tale_platform", "ALTER DEFAULT PRIVILEGES FOR ROLE reporting GRANT SELECT ON TABLES TO other;\n")
}

// TestADatabaseThatIsClosedToAll stays so.
func TestADatabaseThatIsClosedToAll(t *testing.T) {
	s := realServer(t)
	s.do(t, ownMaintenance, "CREATE DATABASE a; REVOKE ALL ON DATABASE a FROM PUBLIC, tale;\n")
	m := s.about(t)
	if grants := m.Databases[0].Grants; grants == nil || len(grants) > 0 {
		t.Errorf("%+v", grants)
	}
	s.restored(t, m, "")
	if acl := s.do(t, ownMaintenance, "SELECT datacl FROM pg_database WHERE datname = 'a';\n"); acl[0] != "{}" {
		t.Errorf("%q", acl)
	}
}

// TestADatabaseOfAnotherOnASharedServer is in a backup of a server that was the project's own.
func TestADatabaseOfAnotherOnASharedServer(t *testing.T) {
	m := Manifest{Databases: []Database{{Name: "crm"}, {Name: "tale_platform"}}}
	for shared, want := range map[bool]string{false: "2 []", true: "1 [crm]"} {
		s := Server{Container: "db", Platform: "tale_platform"}
		if shared {
			s.Databases = []string{"tale_platform", "tale_knowledge"}
		}
		of, without, err := m.For(s)
		if got := fmt.Sprint(len(of.Databases), " ", without); err != nil || got != want {
			t.Errorf("shared %t: %s, want %s: %v", shared, got, want, err)
		}
	}
}

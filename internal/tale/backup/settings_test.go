package backup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWhatNoDumpSaysComesBack: settings of a database and of roles in it, whatever is in
// their values, and without a role that another server does not have.
func TestWhatNoDumpSaysComesBack(t *testing.T) {
	s := realServer(t)
	do := func(statements string) {
		t.Helper()
		if _, err := s.query(t.Context(), ownMaintenance, statements); err != nil {
			t.Fatal(err)
		}
	}
	of := func(database string) (d Database) {
		t.Helper()
		all, err := s.databases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range all {
			if found.Name == database {
				d = found
			}
		}
		d.Name, d.Bytes = "", 0
		return d
	}
	do(`CREATE ROLE "it's";
CREATE DATABASE a;
COMMENT ON DATABASE a IS 'it''s \ a comment';
ALTER DATABASE a SET search_path TO public_web, "it's";
ALTER DATABASE a SET app.text TO 'it''s \ a = b';
ALTER ROLE tale IN DATABASE a SET search_path TO public_web, private_knowledge, public;
ALTER ROLE tale IN DATABASE a SET work_mem TO '8MB';
ALTER ROLE "it's" IN DATABASE a SET app.text TO 'it''s \ ';
`)
	a := of("a")
	if len(a.Settings) != 2 || len(a.Roles) != 2 || a.Roles[1].Role != "" && a.Roles[0].Role != "" {
		t.Fatalf("%+v", a)
	}
	do(a.created("b") + ";\n")
	must(t, Restore{Server: s, Run: "x"}.complete(t.Context(), a, "b"))
	if diff := cmp.Diff(a, of("b")); diff != "" {
		t.Error(diff)
	}
	do(`DROP DATABASE a; DROP DATABASE b; DROP ROLE "it's";` + "\n" + a.created("c") + ";\n")
	var warned []string
	s.Warn = func(text string) { warned = append(warned, text) }
	must(t, Restore{Server: s, Run: "x"}.complete(t.Context(), a, "c"))
	if len(warned) != 1 || !strings.Contains(warned[0], `role "it's" does not exist, which ALTER ROLE "it's" IN DATABASE "c" SET "app"."text"`) {
		t.Errorf("it warns of %q", warned)
	}
	if c := of("c"); len(c.Roles) != 1 || c.Roles[0].Role != "" || len(c.Roles[0].Settings) != 2 {
		t.Errorf("%+v", c)
	}
}

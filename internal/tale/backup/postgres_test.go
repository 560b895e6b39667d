package backup

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAPgDumpThatIsTooOld: what mends it is said, in place of what pg_dump says.
func TestAPgDumpThatIsTooOld(t *testing.T) {
	server := enginetest.New(t)
	server.AddContainer(enginetest.Container{Name: "db", Image: "x", Running: true})
	server.SetExec(func(_ string, command []string, _ string) (string, string, int) {
		if !slices.Contains(command, "pg_dump") {
			return "1\n", "", 0
		}
		return "", "pg_dump: error: aborting because of server version mismatch\n" +
			"pg_dump: detail: server version: 17.12 (Debian 17.12-0+deb13u1); pg_dump version: 15.18 (Debian 15.18-0+deb12u1)\n", 1
	})
	e := server.Connect(t, engine.Options{})
	err := Server{Engine: e, Project: "shop-1", Container: "db", Environ: map[string]string{}}.dump(t.Context(), "shop", "s", io.Discard)
	testkit.WantError(t, err, exit.Config, "cannot dump the database shop: the server is Postgres 17, and pg_dump", "is 15, which is older", "tale.json")
	if strings.Contains(err.Error(), "mismatch") {
		t.Error(err)
	}
}

// TestProgramsSpeakEnglish whatever the image's language: what they say of a connection that
// was lost has no code, and is told by its words.
func TestProgramsSpeakEnglish(t *testing.T) {
	command := program("sh", "-c", "echo $LC_ALL")
	run := exec.CommandContext(t.Context(), command[0], command[1:]...)
	run.Env = append(os.Environ(), "LC_ALL=de_DE.UTF-8")
	if said, err := run.Output(); err != nil || strings.TrimSpace(string(said)) != "C" {
		t.Errorf("LC_ALL is %s, %v", said, err)
	}
}

// TestLimitsOfARole are those of a site: neither a session that keeps a moment while gigabytes of
// files are copied ends by them, nor a statement over a large database.
func TestLimitsOfARole(t *testing.T) {
	s := realServer(t)
	limits := []string{"statement_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"}
	for _, limit := range limits {
		if _, err := s.query(t.Context(), s.maintenance(), "ALTER ROLE CURRENT_USER SET "+limit+" TO '1min';\n"); err != nil {
			t.Fatal(err)
		}
	}
	c, err := s.open(t.Context(), s.maintenance())
	must(t, err)
	defer c.close()
	for _, limit := range limits {
		lines, err := s.query(t.Context(), s.maintenance(), "SHOW "+limit+";\n")
		kept, wrong := c.ask(t.Context(), "SHOW "+limit+";")
		if must(t, errors.Join(err, wrong)); !slices.Equal(lines, []string{"0"}) || kept != "0" {
			t.Errorf("%s is %q, and %q for a moment that is kept", limit, lines, kept)
		}
	}
}

// TestAServerWithoutALanguage, which its owner may take away: no limit is lifted by one.
func TestAServerWithoutALanguage(t *testing.T) {
	s := realServer(t)
	if _, err := s.query(t.Context(), s.maintenance(), "ALTER ROLE CURRENT_USER SET statement_timeout TO '1min';\nDROP EXTENSION plpgsql;\n"); err != nil {
		t.Fatal(err)
	}
	lines, err := s.query(t.Context(), s.maintenance(), "SHOW statement_timeout;\nSHOW work_mem;\n")
	if err != nil || !slices.Equal(lines, []string{"0", "4MB"}) || !s.answers(t.Context()) {
		t.Errorf("%q, %v", lines, err)
	}
}

// TestAPgRestoreThatIsTooNew: what it sets, a server that is older does not know.
func TestAPgRestoreThatIsTooNew(t *testing.T) {
	server := enginetest.New(t)
	server.AddContainer(enginetest.Container{Name: "db", Image: "x", Running: true})
	server.SetProgram(func(_ string, command []string, in io.Reader, _, errs io.Writer) int {
		_, _ = io.Copy(io.Discard, in)
		if slices.Contains(command, "pg_restore") {
			_, _ = io.WriteString(errs, "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"\nCommand was: SET transaction_timeout = 0;\n")
			return 1
		}
		return 0
	})
	r := Restore{
		Server:   Server{Engine: server.Connect(t, engine.Options{}), Project: "shop-1", Container: "db", Environ: map[string]string{}},
		Manifest: Manifest{Databases: []Database{{Name: "shop"}}},
	}
	err := r.fill(t.Context(), "shop", strings.NewReader(""))
	testkit.WantError(t, err, exit.Config, "cannot restore the database shop: pg_restore of the stack's database image is newer than the server", `"db" under images of tale.json`, "transaction_timeout")
}

// TestOddNamesOfDatabases: a name may have what parts lines.
func TestOddNamesOfDatabases(t *testing.T) {
	s := realServer(t)
	names := []string{"a\nb", "c\td", `e"f\`}
	for _, database := range names {
		if _, err := s.query(t.Context(), s.maintenance(), "CREATE DATABASE "+name(database)+";\n"); err != nil {
			t.Fatal(err)
		}
	}
	found, err := Restore{Server: s}.lookAtServer(t.Context(), Target{})
	must(t, err)
	for _, database := range names {
		if restored, there := found.databases[database]; !there || restored != "" || !found.owned[database] {
			t.Errorf("%q is not found: %v", database, found)
		}
	}
	if len(found.databases) != len(names)+1 {
		t.Errorf("%q", found.databases)
	}
}

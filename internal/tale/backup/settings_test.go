package backup

import (
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// realServer returns a real server as one whose programs are in a container.
func realServer(t *testing.T) Server {
	t.Helper()
	testkit.Psql(t)
	u := testkit.StartPostgres(t)
	password, _ := u.User.Password()
	docker := enginetest.New(t)
	docker.AddContainer(enginetest.Container{Name: "db", Image: "x", Running: true})
	docker.SetProgram(func(_ string, command []string, in io.Reader, out, errs io.Writer) int {
		run := exec.CommandContext(t.Context(), command[0], command[1:]...)
		run.Env = append(os.Environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGUSER=tale", "PGPASSWORD="+password)
		run.Stdin, run.Stdout, run.Stderr = in, out, errs
		_ = run.Run()
		return run.ProcessState.ExitCode()
	})
	e, err := engine.Connect(t.Context(), engine.Options{Host: docker.Host(), Environ: config.Environ{"HOME": t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	s := Server{Engine: e, Project: "shop-1", Container: "db", Environ: map[string]string{}}
	testkit.Eventually(t, "the server answers", func() bool { return s.answers(t.Context()) })
	return s
}

// TestWhatNoDumpSaysComesBack: settings of a database and of roles in it, whatever is in
// their values, and without a role that another server does not have.
func TestWhatNoDumpSaysComesBack(t *testing.T) {
	s := realServer(t)
	do := func(statements string) {
		t.Helper()
		if _, err := s.query(t.Context(), maintenance, statements); err != nil {
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
	if err := s.transaction(t.Context(), a.properties("b")...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, of("b")); diff != "" {
		t.Error(diff)
	}
	do(`DROP DATABASE a; DROP DATABASE b; DROP ROLE "it's";` + "\n" + a.created("c") + ";\n")
	if err := s.transaction(t.Context(), a.properties("c")...); err != nil {
		t.Fatal(err)
	}
	if c := of("c"); len(c.Roles) != 1 || c.Roles[0].Role != "" || len(c.Roles[0].Settings) != 2 {
		t.Errorf("%+v", c)
	}
}

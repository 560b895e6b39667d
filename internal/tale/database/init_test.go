package database

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// as returns a target for another user.
func as(t testing.TB, u *url.URL, user, password string) Target {
	t.Helper()
	other := *u
	other.User = url.UserPassword(user, password)
	return target(t, &other)
}

func options(it Target) Options { return Options{Platform: Platform, Role: it.User()} }

// initialise makes the databases and returns what was made and said.
func initialise(t testing.TB, it Target, o Options) (made, said []string, err error) {
	t.Helper()
	var mu sync.Mutex
	made, err = it.Init(t.Context(), o, func(text string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, text)
	})
	return made, said, err
}

func initIsDoneOnce(t *testing.T, it Target, u *url.URL) {
	made, said, err := initialise(t, it, options(it))
	if err != nil || !slices.Equal(made, []string{"database tale_platform", "database tale_knowledge"}) {
		t.Fatal(made, said, err)
	}
	// The server of the tests has neither extension of ParadeDB.
	if all := strings.Join(said, "\n"); !strings.Contains(all, "pg_search") || !strings.Contains(all, "vector") {
		t.Errorf("not said: %s", all)
	}
	first := []any{endState(t, it, Platform), endState(t, it, Knowledge)}
	made, _, err = initialise(t, it, options(it))
	if err != nil || len(made) > 0 {
		t.Error(made, err)
	}
	if difference := cmp.Diff(first, []any{endState(t, it, Platform), endState(t, it, Knowledge)}); difference != "" {
		t.Error("the second run made a difference:", difference)
	}
	s, err := it.Status(t.Context(), options(it))
	if err != nil || !s.Complete() || s.Databases[1].SearchPath != "public_web, private_knowledge, public" || s.Databases[0].Extensions["pg_trgm"] == "" || s.Databases[0].Extensions["uuid-ossp"] == "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// The database image runs the same files with psql.
func initIsThatOfTheImage(t *testing.T, it Target, u *url.URL) {
	psql := testkit.Psql(t)
	if _, _, err := initialise(t, it, options(it)); err != nil {
		t.Fatal(err)
	}
	want := []any{endState(t, it, Platform), endState(t, it, Knowledge), look(t, it)}
	sql(t, it, "postgres", "DROP DATABASE tale_platform", "DROP DATABASE tale_knowledge")
	password, _ := u.User.Password()
	files, err := filepath.Glob("../../../images/db/initdb/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		command := exec.CommandContext(t.Context(), psql, "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-h", u.Hostname(), "-p", u.Port(), "-U", "tale", "-d", "postgres", "-f", file)
		command.Env = []string{"PGPASSWORD=" + password}
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", file, err, out)
		}
	}
	if difference := cmp.Diff(want, []any{endState(t, it, Platform), endState(t, it, Knowledge), look(t, it)}); difference != "" {
		t.Errorf("(-tale +image)\n%s", difference)
	}
	for instance, database := range map[string]string{"": Platform, "tale_platform": Platform, "My-shop-1": "My_shop_1", "postgres": Platform} {
		command := exec.CommandContext(t.Context(), "sh", "../../../images/db/initdb/40-instance.sh")
		command.Env = []string{"PATH=" + filepath.Dir(psql) + ":" + os.Getenv("PATH"), "INSTANCE_NAME=" + instance, "POSTGRES_USER=tale", "POSTGRES_DB=postgres", "PGHOST=" + u.Hostname(), "PGPORT=" + u.Port(), "PGPASSWORD=" + password}
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", instance, err, out)
		}
		if difference := cmp.Diff(want[0], endState(t, it, database)); difference != "" {
			t.Errorf("%s (-tale +image)\n%s", database, difference)
		}
	}
}

func look(t testing.TB, it Target) []Database {
	t.Helper()
	s, err := it.Status(t.Context(), options(it))
	if err != nil {
		t.Fatal(err)
	}
	return s.Databases
}

// An owner without any other right, an administrator who is no superuser, one who has
// nothing: what is missing is named at once, and what was made stays usable.
func initWithoutSuperuser(t *testing.T, it Target, u *url.URL) {
	sql(t, it, "postgres", "CREATE ROLE poor LOGIN PASSWORD 'p'", "CREATE ROLE maker LOGIN CREATEDB PASSWORD 'p'", "CREATE ROLE admin LOGIN CREATEDB CREATEROLE PASSWORD 'p'")
	poor := as(t, u, "poor", "p")
	_, _, err := initialise(t, poor, Options{Platform: "tale_x", Role: "poor", NeedVector: true})
	if exit.Code(err) != exit.NoPermission || strings.Count(err.Error(), "\n  - ") != 3 || !strings.Contains(err.Error(), `CREATE DATABASE "tale_knowledge" OWNER "poor"`) || !strings.Contains(err.Error(), "pgvector") {
		t.Errorf("poor: %d, %v", exit.Code(err), err)
	}
	_, _, err = initialise(t, it, Options{Platform: "tale_x", Role: "tale", NeedVector: true})
	if exit.Code(err) != exit.Config {
		t.Errorf("without vector: %d, %v", exit.Code(err), err)
	}
	if rows := sql(t, it, "postgres", "SELECT 1 FROM pg_database WHERE datname LIKE 'tale%'"); len(rows) > 0 {
		t.Error("something was made")
	}
	// An administrator makes the user that the stack logs in as, who can work then.
	made, _, err := initialise(t, as(t, u, "admin", "p"), Options{Platform: Platform, Role: "stack", Password: "s3cret 'x'"})
	if err != nil || len(made) != 3 {
		t.Fatal(made, err)
	}
	own := as(t, u, "stack", "s3cret 'x'")
	if s, err := own.Status(t.Context(), options(own)); err != nil || !s.Complete() {
		t.Errorf("%+v, %v", s, err)
	}
	sql(t, own, Platform, "CREATE TABLE documents ()")
	sql(t, own, Knowledge, "CREATE TABLE websites ()", "CREATE TABLE private_knowledge.documents ()")
	if made, _, err := initialise(t, own, options(own)); err != nil || len(made) > 0 {
		t.Errorf("as the stack's own user: %v, %v", made, err)
	}
	// Another user's database of that name is not touched.
	_, _, err = initialise(t, as(t, u, "maker", "p"), Options{Platform: Platform, Role: "maker"})
	if exit.Code(err) != exit.NoPermission || !strings.Contains(err.Error(), `belongs to "stack"`) || !strings.Contains(err.Error(), "INSTANCE_NAME") {
		t.Errorf("maker: %v", err)
	}
	for _, password := range []string{"s3cret", "canary"} {
		if err != nil && strings.Contains(err.Error(), password) {
			t.Error("a password is shown")
		}
	}
}

func initsAtOnce(t *testing.T, it Target, u *url.URL) {
	o := options(it)
	o.Wait = time.Minute
	var all sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		all.Go(func() { _, _, errs[i] = initialise(t, it, o) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if s, err := it.Status(t.Context(), o); err != nil || !s.Complete() {
		t.Errorf("%+v, %v", s, err)
	}
}

// A server that says nothing after it was connected to is told from one that is not there,
// and from one that refuses.
func serversThatCannotBeUsed(t *testing.T, it Target, u *url.URL) {
	silent := testkit.Listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	for name, tt := range map[string]struct {
		target Target
		code   int
		want   string
	}{
		"silent":         {Target{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.User("tale"), Host: silent}, Mode: stack.SSLDisable}}, exit.Unavailable, "accepts connections but does not answer"},
		"nobody":         {Target{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.User("tale"), Host: testkit.FreeAddress(t)}}}, exit.Unavailable, "refused"},
		"wrong password": {as(t, u, "tale", "canary"), exit.NoPermission, `the login as user "tale" is refused`},
		"TLS required":   {Target{Server: stack.Postgres{URL: u, Mode: stack.SSLRequire}}, exit.Config, "does not offer TLS"},
	} {
		_, err := tt.target.Init(t.Context(), options(it), func(string) {})
		if exit.Code(err) != tt.code || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %d, %v", name, exit.Code(err), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := it.Init(ctx, options(it), func(string) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

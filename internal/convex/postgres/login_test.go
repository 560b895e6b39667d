package postgres

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/convex/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// loginTo is a login to a server by the given mode.
func loginTo(server *postgrestest.Server, mode stack.SSLMode, caFile string) Login {
	u := &url.URL{Scheme: "postgresql", User: url.UserPassword("tale", "canary-password"), Host: server.Addr()}
	return Login{Server: stack.Postgres{URL: u, Mode: mode}, Database: "tale_platform", CAFile: caFile}
}

func TestLogin(t *testing.T) {
	server := postgrestest.Start(t, nil)
	facts, err := loginTo(server, stack.SSLPrefer, "").Try(t.Context())
	if err != nil || facts != (Facts{Version: "16.4"}) {
		t.Errorf("%+v, %v", facts, err)
	}
	if got := <-server.Users; got != "tale@tale_platform" {
		t.Errorf("logged in as %s", got)
	}
}

// What keeps the backend from using Postgres is told apart, whatever it is.
func TestFailures(t *testing.T) {
	facts := func(i int, value string) func(*postgrestest.Server) {
		return func(f *postgrestest.Server) {
			f.Facts = postgrestest.Facts()
			f.Facts[i] = value
		}
	}
	says := func(code, message string) func(*postgrestest.Server) {
		return func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse(code, message) }
	}
	tests := map[string]struct {
		server func(*postgrestest.Server)
		mode   stack.SSLMode
		class  postgresClass
		code   int
		want   string
	}{
		"wrong password":  {says("28P01", "password authentication failed"), stack.SSLPrefer, pgLogin, exit.NoPermission, "DB_PASSWORD"},
		"not in pg_hba":   {says("28000", "no pg_hba.conf entry"), stack.SSLPrefer, pgLogin, exit.NoPermission, "no pg_hba.conf entry"},
		"no database":     {says("3D000", "does not exist"), stack.SSLPrefer, pgNoDatabase, exit.Config, "createdb -h 127.0.0.1 -p "},
		"starting up":     {says("57P03", "the database system is starting up"), stack.SSLPrefer, pgStarting, exit.Unavailable, "starting up"},
		"full":            {says("53300", "too many clients"), stack.SSLPrefer, pgFull, exit.Unavailable, "max_connections"},
		"going down":      {says("57P01", "terminating"), stack.SSLPrefer, pgStarting, exit.Unavailable, "going down"},
		"something else":  {says("XX000", "strange"), stack.SSLPrefer, pgOther, exit.Unavailable, "strange"},
		"may not connect": {says("42501", "permission denied"), stack.SSLPrefer, pgNoPrivilege, exit.NoPermission, `OWNER TO "tale"`},
		"too old":         {facts(0, "150008"), stack.SSLPrefer, pgTooOld, exit.Config, "16 is the oldest"},
		"standby":         {facts(2, "on"), stack.SSLPrefer, pgReadOnly, exit.Unavailable, "read-only"},
		"may not create":  {facts(4, "f"), stack.SSLPrefer, pgNoPrivilege, exit.NoPermission, `schema "public"`},
		"no TLS":          {nil, stack.SSLRequire, pgTLS, exit.Config, "does not offer TLS"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := loginTo(postgrestest.Start(t, tt.server), tt.mode, "").Try(t.Context())
			var failed *postgresError
			if !errors.As(err, &failed) || failed.Class != tt.class || exit.Code(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("class and code of %v (%d), want %s (%d)", err, exit.Code(err), tt.class, tt.code)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the password is shown: %v", err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	serverTLS, caFile := testkit.Certificate(t)
	server := postgrestest.Start(t, func(f *postgrestest.Server) { f.TLS = serverTLS })
	for _, mode := range []stack.SSLMode{stack.SSLPrefer, stack.SSLRequire} {
		if facts, err := loginTo(server, mode, caFile).Try(t.Context()); err != nil || !facts.TLS {
			t.Errorf("%s with the authority: %+v, %v", mode, facts, err)
		}
		// The backend verifies wherever it uses TLS, also where it only prefers it.
		_, err := loginTo(server, mode, "").Try(t.Context())
		if failed := new(postgresError); !errors.As(err, &failed) || failed.Class != pgTLS || !strings.Contains(failed.Fix, "PG_CA_FILE") {
			t.Errorf("%s without the authority: %v", mode, err)
		}
	}
	if facts, err := loginTo(server, stack.SSLDisable, "").Try(t.Context()); err != nil || facts.TLS {
		t.Errorf("disabled: %+v, %v", facts, err)
	}
	if _, err := loginTo(server, stack.SSLRequire, "/missing.pem").Try(t.Context()); err == nil || !strings.Contains(err.Error(), "PG_CA_FILE cannot be read") {
		t.Errorf("missing authority: %v", err)
	}
}

func TestNetworkFailures(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	_ = listener.Close()
	tests := map[string]struct {
		host  string
		class postgresClass
	}{
		"refused": {closed, pgRefused},
		"dns":     {"no-such-host.invalid:5432", pgDNS},
	}
	for name, tt := range tests {
		login := Login{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.User("tale"), Host: tt.host}, Mode: stack.SSLPrefer}, Database: "d"}
		_, err := login.Try(t.Context())
		if failed := new(postgresError); !errors.As(err, &failed) || failed.Class != tt.class {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestThatIsSomethingElse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	login := Login{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.User("tale"), Host: listener.Addr().String()}, Mode: stack.SSLPrefer}, Database: "d"}
	if _, err := login.Try(t.Context()); err == nil || !strings.Contains(err.Error(), "not a Postgres server") {
		t.Errorf("error %v", err)
	}
}

func TestWaitReadyOutlastsItsStart(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) {
		f.Refuse = func(n int) *pgproto3.ErrorResponse {
			if n > 3 {
				return nil
			}
			return postgrestest.Refuse("57P03", "the database system is starting up")(n)
		}
	})
	attempts := 0
	facts, err := loginTo(server, stack.SSLPrefer, "").WaitReady(t.Context(), logging.Discard(), time.Minute, func(n int) { attempts = n })
	if err != nil || facts.Version != "16.4" || attempts != 4 {
		t.Errorf("%+v, %v after %d attempts", facts, err, attempts)
	}
}

func TestWaitReadyEndsAtOnce(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) {
		f.Refuse = postgrestest.Refuse("28P01", "password authentication failed")
	})
	_, err := loginTo(server, stack.SSLPrefer, "").WaitReady(t.Context(), logging.Discard(), time.Minute, nil)
	if exit.Code(err) != exit.NoPermission || server.Logins() != 1 {
		t.Errorf("%v after %d logins", err, server.Logins())
	}
	reports(t, err, "cannot use Postgres at "+server.Addr()+`: the login as user "tale" is refused`, "compare POSTGRES_URL")
}

func TestWaitReadyGivesUpAtItsDeadline(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse("57P03", "starting up") })
	_, err := loginTo(server, stack.SSLPrefer, "").WaitReady(t.Context(), logging.Discard(), 150*time.Millisecond, nil)
	if exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), "CONVEX_WAIT_TIMEOUT") || !strings.Contains(err.Error(), "starting up") {
		t.Errorf("error %v", err)
	}
	failure := reports(t, err, "cannot reach Postgres at "+server.Addr()+": gave up after ", "look at Postgres' log", "raise CONVEX_WAIT_TIMEOUT (now 150ms)")
	if !strings.Contains(failure.Cause, "starting up") || !failure.Retryable {
		t.Errorf("%+v", failure)
	}
}

// reports checks that what to do has lines of its own in a boot's report.
func reports(t *testing.T, err error, message string, fixes ...string) report.Failure {
	t.Helper()
	var explained report.Explained
	if !errors.As(err, &explained) {
		t.Fatalf("%v has no report", err)
	}
	failure := explained.Report()
	if !strings.HasPrefix(failure.Message, message) || len(failure.Fix) != len(fixes) || failure.ExitCode != exit.Code(err) {
		t.Fatalf("%+v, want %q and the fixes %q", failure, message, fixes)
	}
	for i, fix := range fixes {
		if !strings.HasPrefix(failure.Fix[i], fix) || strings.Contains(failure.Message, failure.Fix[i]) {
			t.Errorf("fix %d of %+v, want %q", i, failure, fix)
		}
	}
	return failure
}

func TestWaitReadyStops(t *testing.T) {
	server := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse("57P03", "starting up") })
	ctx, cancel := context.WithCancelCause(t.Context())
	requested := errors.New("stop requested")
	_, err := loginTo(server, stack.SSLPrefer, "").WaitReady(ctx, logging.Discard(), time.Minute, func(n int) {
		if n == 2 {
			cancel(requested)
		}
	})
	if !errors.Is(err, requested) {
		t.Errorf("error %v", err)
	}
}

// Init scripts make the database after the server has begun to listen, so a
// missing one is waited for, but not until the deadline.
func TestPatience(t *testing.T) {
	start := time.Now()
	var p patience
	judge := func(class postgresClass, after time.Duration) bool {
		err := p.judge(&postgresError{Class: class}, start.Add(after))
		if err == nil {
			t.Fatal("a failure was judged to be none")
		}
		return isPermanent(err)
	}
	for _, step := range []struct {
		class postgresClass
		after time.Duration
		ends  bool
	}{
		{pgRefused, 0, false}, {pgRefused, time.Hour, false},
		{pgNoDatabase, time.Hour, false}, {pgNoDatabase, time.Hour + 4*time.Second, false},
		{pgStarting, time.Hour + 5*time.Second, false},
		{pgNoDatabase, time.Hour + 6*time.Second, false}, {pgNoDatabase, time.Hour + 11*time.Second, true},
		{pgLogin, time.Hour + 12*time.Second, true},
	} {
		if got := judge(step.class, step.after); got != step.ends {
			t.Errorf("%s after %s: ends %v", step.class, step.after, got)
		}
	}
}

// isPermanent tells whether a wait would end with this error: it runs one.
func isPermanent(err error) bool {
	calls := 0
	waited := health.Wait{What: "x", Timeout: 30 * time.Millisecond, Variable: "X"}.Until(context.Background(), logging.Discard(), func(context.Context) error {
		calls++
		return err
	})
	return waited != nil && calls == 1 && strings.HasPrefix(waited.Error(), "cannot use")
}

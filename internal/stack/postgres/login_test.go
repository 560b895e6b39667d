package postgres

import (
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// loginTo returns a login to a server by the given mode.
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

// What the backend sends of the URL, the login sends, and nothing else.
func TestLoginHasTheParametersOfTheURL(t *testing.T) {
	server := postgrestest.Start(t, nil)
	for parameters, want := range map[string]string{
		"":                   "tale@tale_platform",
		"search_path=convex": "tale@tale_platform options=-csearch_path=convex",
		"options=-c%20a%3Db&application_name=my+app&keepalives=1": "tale@tale_platform application_name=my+app options=-c\ta=b",
	} {
		made, err := stack.Database{PostgresURL: config.Secret("postgresql://tale:x@" + server.Addr() + "?" + parameters)}.Server()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (Login{Server: made, Database: "tale_platform"}).Try(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := <-server.Users; got != want {
			t.Errorf("%s: logged in as %q", parameters, got)
		}
	}
}

// Every cause has its exit code and its fix.
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
		cause  cause
		code   int
		want   string
	}{
		"wrong password":  {says("28P01", "password authentication failed"), stack.SSLPrefer, causeLogin, exit.NoPermission, "DB_PASSWORD"},
		"not in pg_hba":   {says("28000", "no pg_hba.conf entry"), stack.SSLPrefer, causeLogin, exit.NoPermission, "no pg_hba.conf entry"},
		"no database":     {says("3D000", "does not exist"), stack.SSLPrefer, causeNoDatabase, exit.Config, "createdb -h 127.0.0.1 -p "},
		"starting up":     {says("57P03", "the database system is starting up"), stack.SSLPrefer, causeStarting, exit.Unavailable, "starting up"},
		"full":            {says("53300", "too many clients"), stack.SSLPrefer, causeFull, exit.Unavailable, "max_connections"},
		"going down":      {says("57P01", "terminating"), stack.SSLPrefer, causeStarting, exit.Unavailable, "going down"},
		"something else":  {says("XX000", "strange"), stack.SSLPrefer, causeOther, exit.Unavailable, "strange"},
		"may not connect": {says("42501", "permission denied"), stack.SSLPrefer, causeNoPrivilege, exit.NoPermission, `OWNER TO "tale"`},
		"too old":         {facts(0, "150008"), stack.SSLPrefer, causeTooOld, exit.Config, "16 is the oldest"},
		"standby":         {facts(2, "on"), stack.SSLPrefer, causeReadOnly, exit.Unavailable, "read-only"},
		"may not create":  {facts(4, "f"), stack.SSLPrefer, causeNoPrivilege, exit.NoPermission, `schema "public"`},
		"no schema":       {facts(3, ""), stack.SSLPrefer, causeNoSchema, exit.Config, `"$user", public`},
		"other schema":    {facts(5, "t"), stack.SSLPrefer, causeElsewhere, exit.Config, "SET SCHEMA"},
		"no TLS":          {nil, stack.SSLRequire, causeTLS, exit.Config, "does not offer TLS"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := loginTo(postgrestest.Start(t, tt.server), tt.mode, "").Try(t.Context())
			var failed *loginError
			if !errors.As(err, &failed) || failed.Cause != tt.cause || exit.Code(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v (%d), want %s (%d)", err, exit.Code(err), tt.cause, tt.code)
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
		if failed := new(loginError); !errors.As(err, &failed) || failed.Cause != causeTLS || !strings.Contains(failed.Fix, "PG_CA_FILE") {
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
		cause cause
	}{
		"refused": {closed, causeRefused},
		"dns":     {"no-such-host.invalid:5432", causeDNS},
	}
	for name, tt := range tests {
		login := Login{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.User("tale"), Host: tt.host}, Mode: stack.SSLPrefer}, Database: "d"}
		_, err := login.Try(t.Context())
		if failed := new(loginError); !errors.As(err, &failed) || failed.Cause != tt.cause {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A name that leads somewhere else is seen by its address, and one that leads back here is named.
func TestTheAddressOfAName(t *testing.T) {
	_, port, _ := net.SplitHostPort(testkit.FreeAddress(t))
	const loopback = "127.0.0.1"
	address, there := netcause.OwnAddress()
	if !there {
		t.Fatal("this machine has the loopback address only")
	}
	own := address.String()
	for name, tt := range map[string]struct{ host, at, self, why, fix string }{
		"a name":            {"db", own, "", "; db is ", "check that Postgres runs there"},
		"an address":        {own, own, "", "", "check that Postgres runs there"},
		"this container":    {"db", own, "this container", "; db is this container itself (", "db is this container itself: let POSTGRES_URL or DB_HOST name the server's, and no hostname or alias of this container be that name; if it is there all the same, check that Postgres runs there"},
		"its address alone": {own, own, "this container", "", "check that Postgres runs there"},
		"the loopback":      {"localhost", loopback, "this container", "; localhost is 127.0.0.1", "check that Postgres runs there"},
	} {
		t.Run(name, func(t *testing.T) {
			_, refused := net.Dial("tcp", net.JoinHostPort(tt.at, port)) //nolint:noctx // it is refused at once
			login := Login{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.User("tale"), Host: net.JoinHostPort(tt.host, port)}}, Database: "d"}
			failed := login.verdict(login.explain(refused))
			before := failed.Why
			login.addAddress(failed, refused, tt.self)
			if added := strings.TrimPrefix(failed.Why, before); !strings.HasPrefix(added, tt.why) || (added != "") != (tt.why != "") || !strings.HasPrefix(failed.Fix, tt.fix) {
				t.Errorf("added %q, fix %q", added, failed.Fix)
			}
		})
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

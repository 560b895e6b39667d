package pglogin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// The backend reads none of libpq's variables and files, so the login that stands
// for its own must be the same whatever they say.
func TestLoginInheritsNothing(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	server := postgrestest.Start(t, nil)
	testkit.WriteTree(t, home, map[string]string{
		".pgpass": "*:*:*:*:other\n", ".pg_service.conf": "[x]\nhost=192.0.2.1\nport=1\noptions=-c a=b\n", ".postgresql/root.crt": "x",
	})
	for variable, value := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "other", "PGUSER": "other", "PGPASSWORD": "other", "PGPASSFILE": home + "/x", "PGAPPNAME": "x", "PGCONNECT_TIMEOUT": "x",
		"PGSSLMODE": "verify-full", "PGSSLKEY": "/x", "PGSSLCERT": "/x", "PGSSLCERTMODE": "require", "PGSSLSNI": "0", "PGSSLROOTCERT": "/x", "PGSSLPASSWORD": "x", "PGSSLNEGOTIATION": "direct",
		"PGTARGETSESSIONATTRS": "standby", "PGSERVICEFILE": "/x", "PGTZ": "x", "PGOPTIONS": "-c search_path=other", "PGMINPROTOCOLVERSION": "3.2", "PGMAXPROTOCOLVERSION": "x",
		"PGCHANNELBINDING": "require", "PGREQUIREAUTH": "gss", "PGSERVICE": "x",
	} {
		t.Setenv(variable, value)
	}
	// Without a password: that of the environment would be taken.
	u := &url.URL{Scheme: "postgresql", User: url.User("tale"), Host: server.Addr()}
	login := Login{Server: stack.Postgres{URL: u, Mode: stack.SSLPrefer}, Database: "tale_platform"}
	conn, _, err := login.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-server.Users; got != "tale@tale_platform" {
		t.Errorf("logged in as %s", got)
	}
	settings, err := login.settings(new(bool))
	if err != nil || settings.Password != "" {
		t.Errorf("%q, %v", settings.Password, err)
	}
	if len(settings.RuntimeParams) > 0 {
		t.Errorf("parameters %v", settings.RuntimeParams)
	}
}

// TestWhatIsNoPostgres is told by its first word, whatever it is instead.
func TestWhatIsNoPostgres(t *testing.T) {
	for name, says := range map[string]string{
		"HTTP":    "HTTP/1.1 400 Bad Request\r\n\r\n",
		"SSH":     "SSH-2.0-OpenSSH_9.2\r\n",
		"MySQL":   "J\x00\x00\x00\x0a8.0.36\x00\x0b\x00\x00\x00abcdefgh\x00\xff\xff\xff\x02\x00\xff\xdf\x15\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"Redis":   "-ERR unknown command\r\n",
		"SMTP":    "220 mail.example ESMTP\r\n",
		"TLS":     "\x15\x03\x01\x00\x02\x02\x46",
		"nothing": "\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		for _, mode := range []stack.SSLMode{stack.SSLDisable, stack.SSLPrefer, stack.SSLRequire} {
			address := testkit.Listen(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 8))
				_, _ = io.WriteString(conn, says)
				_, _ = io.Copy(io.Discard, conn)
			})
			_, _, err := Login{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.UserPassword("u", "p"), Host: address}, Mode: mode}, Database: "d"}.Connect(t.Context())
			if !errors.Is(err, ErrNotPostgres) {
				t.Errorf("%s with %s: %v", name, mode, err)
			}
		}
	}
}

// A login that is given up ends at once, also while a server keeps silent about TLS.
func TestALoginThatIsGivenUp(t *testing.T) {
	for _, mode := range []stack.SSLMode{stack.SSLDisable, stack.SSLPrefer, stack.SSLRequire} {
		ctx, cancel := context.WithCancel(t.Context())
		address := testkit.Listen(t, func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 8))
			cancel()
			_, _ = io.Copy(io.Discard, conn)
		})
		ended := make(chan error, 1)
		login := Login{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.UserPassword("u", "p"), Host: address}, Mode: mode}, Database: "d"}
		go func() {
			_, _, err := login.Connect(ctx)
			ended <- err
		}()
		testkit.Eventually(t, "the login with "+string(mode)+" ends", func() bool { return len(ended) > 0 })
		if err := <-ended; err == nil {
			t.Errorf("%s: logged in", mode)
		}
		cancel()
	}
}

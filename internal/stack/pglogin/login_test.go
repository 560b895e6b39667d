package pglogin

import (
	"net/url"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convex/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/stack"
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
